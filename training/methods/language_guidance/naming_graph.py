"""`name.onnx`: what things look like and what is heard to which event each of them makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from training.methods.language_guidance.naming import FLOOR, NAMES
from training.onnx_graph import OPSET, set_precision

_IR_VERSION = 10  # as the exporter of the other graphs writes it
_TINY = 1e-9


def name_graph(link: Tensor, said: Tensor) -> onnx.ModelProto:
    """The graph of `event_evidence`, whose evidence is scaled to sum to 1 over the events; float32.

    Inputs and outputs are those of `app.inference.bundle`. Of the link only what is not 0 is stored.

    Args:
        link: (K, E) of `name_link`.
        said: (E,) bool, the events that may be said.
    """
    n_classes, n_events = link.shape
    graph = helper.make_graph(
        _nodes(),
        "name",
        [_rows("looks", n_classes), _rows("events", n_events)],
        [_rows("evidence", n_events)],
        [numpy_helper.from_array(value, name) for name, value in _constants(link * said, said).items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION, producer_name=""
    )
    set_precision(model, "fp32")
    onnx.checker.check_model(model, full_check=True)
    return model


def _nodes() -> list[onnx.NodeProto]:
    zero = helper.make_tensor("zero", TensorProto.FLOAT, (1,), [0.0])
    steps: list[tuple[str, tuple[str, ...], tuple[str, ...], dict[str, Any]]] = [
        ("ConstantOfShape", ("link.size",), ("link.empty",), {"value": zero}),
        ("Cast", ("link.values",), ("link.floats",), {"to": TensorProto.FLOAT}),
        ("ScatterElements", ("link.empty", "link.places", "link.floats"), ("link.flat",), {}),
        ("Reshape", ("link.flat", "link.shape"), ("link",), {}),
        ("TopK", ("looks", "names.count"), ("names.values", "names.classes"), {}),
        ("Sub", ("looks", "looks"), ("names.empty",), {}),
        ("ScatterElements", ("names.empty", "names.classes", "names.values"), ("names",), {"axis": 1}),
        ("ReduceSum", ("names.values", "axis"), ("names.sum",), {}),
        ("MatMul", ("names", "link"), ("linked",), {}),
        ("Div", ("linked", "names.sum"), ("linked.share",), {}),
        ("Add", ("linked.share", "floor"), ("fitting",), {}),
        ("Mul", ("fitting", "events"), ("raw",), {}),
        ("ReduceSum", ("raw", "axis"), ("raw.sum",), {}),
        ("Max", ("raw.sum", "tiny"), ("raw.some",), {}),
        ("Div", ("raw", "raw.some"), ("evidence",), {}),
    ]
    return [
        helper.make_node(kind, list(inputs), list(outputs), **options)
        for kind, inputs, outputs, options in steps
    ]


def _constants(link: Tensor, said: Tensor) -> dict[str, np.ndarray]:
    flat = link.flatten().numpy()
    places = np.flatnonzero(flat)
    return {
        "link.size": np.array([flat.size], np.int64),
        "link.shape": np.array(link.shape, np.int64),
        "link.places": places.astype(np.int32),
        "link.values": flat[places].astype(np.float16),
        "names.count": np.array([min(NAMES, len(link))], np.int64),
        "floor": (FLOOR * said.numpy()).astype(np.float32),
        "axis": np.array([1], np.int64),
        "tiny": np.array(_TINY, np.float32),
    }


def _rows(name: str, width: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ("M", width))
