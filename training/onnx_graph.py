"""PyTorch networks as ONNX graphs: one way for all graphs of a bundle."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import onnx
import torch
from torch import Tensor, nn

OPSET = 20  # the first one with Gelu; ONNX Runtime 1.23 runs it
_PRECISION = "earsight.precision"

# Loggers that report each torchvision operator that is missing, and we do not use, and each constant output.
_TALKATIVE = (
    "torch.onnx._internal.exporter._registration",
    "onnx_ir.passes.common.initializer_deduplication",
)


def to_onnx(
    network: nn.Module,
    examples: Mapping[str, Tensor],
    *,
    outputs: Sequence[str],
    batch: str = "N",
    axes: Mapping[str, Sequence[str]] | None = None,
) -> onnx.ModelProto:
    """Trace a network into a graph with constants folded and nothing in it but the computation.

    Args:
        network: in evaluation mode.
        examples: input name to a tensor of the right shape and type, in the order of `forward`.
        outputs: names of the outputs.
        batch: name of the first axis of all inputs, which is the only one that may vary.
        axes: in place of `batch`, names of those first axes of each input that may vary.
    """
    varying = axes or dict.fromkeys(examples, (batch,))
    dims = {axis: torch.export.Dim(axis) for names in varying.values() for axis in names}
    with _quiet_exporter(), torch.inference_mode():
        program = torch.onnx.export(
            network,
            tuple(examples.values()),
            input_names=list(examples),
            output_names=list(outputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
            dynamic_shapes=tuple(
                {index: dims[axis] for index, axis in enumerate(varying[name])} for name in examples
            ),
        )
    assert program is not None
    model = program.model_proto
    _strip(model)
    set_precision(model, "fp32")
    onnx.checker.check_model(model, full_check=True)
    return model


def set_precision(model: onnx.ModelProto, precision: str) -> None:
    """Note in the graph itself in which precision it computes."""
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {_PRECISION: precision})


def precision_of(model: onnx.ModelProto) -> str:
    """The precision noted by `set_precision`. Raises ValueError if there is none."""
    for entry in model.metadata_props:
        if entry.key == _PRECISION:
            return entry.value
    raise ValueError("the graph does not say in which precision it computes: it is not one of ours")


def _strip(model: onnx.ModelProto) -> None:
    """Drop what the exporter notes about the source code: it holds paths of the machine that exported."""
    graph = model.graph
    model.doc_string = graph.doc_string = ""
    del graph.metadata_props[:]
    for entry in (*graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info):
        entry.doc_string = ""
        del entry.metadata_props[:]


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Hide remarks that are of no use to whoever exports."""
    levels = {logger: logger.level for logger in map(logging.getLogger, _TALKATIVE)}
    for logger in levels:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Raised inside torch 2.13 when it copies its own tree specifications.
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)
            # Raised because all inputs share the axis, which is what we want.
            warnings.filterwarnings("ignore", "# The axis name: .* will not be used", UserWarning)
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
