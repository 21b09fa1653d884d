"""Smaller variants of a float32 graph: float16 for GPUs, 8-bit integers for CPUs, storage at half size."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Collection
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.quant_utils import add_pre_process_metadata
from onnxruntime.transformers.float16 import convert_float_to_float16

from training.onnx_graph import set_precision

WORTH_HALVING = 10_000  # numbers; what is smaller is not worth another node


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph computing in float16, with the types of its inputs and outputs as they were."""
    half = convert_float_to_float16(copy.deepcopy(model), keep_io_types=True)
    set_precision(half, "fp16")
    return half


def to_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with 8-bit matrix products: weights per channel, activations scaled anew for each input.

    Weights get 7 of the 8 bits. Processors without VNNI add pairs of 8-bit products in 16 bits, which
    overflows with full-range weights: this way a graph computes the same on all of them.
    Only products with constant matrices are touched. Convolutions stay in float: ONNX Runtime has no fast
    kernel for them with dynamic scales, and static ones, though a third faster, change the best class of
    24 % (8 bits) to 34 % (7 bits) of the cells of the class map (24 COCO photographs).
    """
    source = copy.deepcopy(model)
    add_pre_process_metadata(source)  # shapes are inferred already; keeps the quantiser from asking for it
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "int8.onnx"
        quantize_dynamic(
            source,
            path,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
        quantised = onnx.load(path)
    set_precision(quantised, "int8")
    return quantised


def store_as_half(model: onnx.ModelProto, *, keep: Collection[str] = ()) -> onnx.ModelProto:
    """The graph with its large float32 constants stored in float16: half the file, computed as before.

    ONNX Runtime widens them once, when it loads the graph.

    Args:
        model: in any precision.
        keep: names of constants to leave alone.
    """
    stored = copy.deepcopy(model)
    graph = stored.graph
    casts = []
    for constant in graph.initializer:
        if constant.data_type != TensorProto.FLOAT or constant.name in keep:
            continue
        values = numpy_helper.to_array(constant)
        if values.size < WORTH_HALVING:
            continue
        name = constant.name
        constant.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(
            helper.make_node("Cast", [constant.name], [name], name=f"{name}_cast", to=TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return stored
