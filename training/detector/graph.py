"""`detect.onnx`: tokens to boxes, scores and classes, with the suppression of doubles inside."""

from __future__ import annotations

import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from training.methods.avdet.module import LEAST_SCORE, MOST_BOXES, Avdet
from training.onnx_graph import to_onnx

_BATCH = 2
_RAW = "raw_scores"


class Told(nn.Module):
    """What a detector says of each cell, in the form that users of the graph expect."""

    def __init__(self, detector: Avdet) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, tokens: Tensor, class_map: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens and class maps as in `Avdet` to boxes (N, L, 4) in [0, 1], scores and labels (N, L)."""
        answers = self.detector(tokens, class_map)
        return answers.boxes.clamp(0, 1), answers.scores, answers.classes.argmax(2)


def detect_graph(detector: Avdet) -> onnx.ModelProto:
    """The graph of a detector, float32.

    Inputs and outputs are those of `app.inference.bundle`; a box that is suppressed has the score 0.
    """
    token, _, grid = detector.hparams["widths"]
    examples = {
        "tokens": torch.rand(_BATCH, grid, grid, token),
        "class_map": torch.rand(_BATCH, *detector.hparams["class_map"]),
    }
    model = to_onnx(Told(detector).eval(), examples, outputs=("boxes", _RAW, "labels"))
    if detector.inputs.looks is None:
        model.graph.input.remove(next(spec for spec in model.graph.input if spec.name == "class_map"))
    _suppress(model.graph, detector.config.suppression)
    onnx.checker.check_model(model, full_check=True)
    return model


def _suppress(graph: onnx.GraphProto, overlap: float) -> None:
    """Set the score of all boxes to 0 that overlap a better one of their frame.

    ONNX lists the boxes that are kept; a list has no place in a batch, so it becomes a mask.
    """
    constants = {
        "suppress.axis": ((1,), TensorProto.INT64, [1]),
        "suppress.most": ((1,), TensorProto.INT64, [MOST_BOXES]),
        "suppress.overlap": ((1,), TensorProto.FLOAT, [overlap]),
        "suppress.least": ((1,), TensorProto.FLOAT, [LEAST_SCORE]),
        "suppress.frame_and_cell": ((2,), TensorProto.INT64, [0, 2]),
        "suppress.zero": ((1,), TensorProto.FLOAT, [0.0]),
        "suppress.first": ((1,), TensorProto.INT64, [0]),
        "suppress.second": ((1,), TensorProto.INT64, [1]),
    }
    graph.initializer.extend(
        helper.make_tensor(name, kind, shape, values) for name, (shape, kind, values) in constants.items()
    )
    one = helper.make_tensor("one", TensorProto.FLOAT, (1,), [1.0])
    steps = [
        ("Unsqueeze", (_RAW, "suppress.axis"), "suppress.by_class", {}),
        (
            "NonMaxSuppression",
            ("boxes", "suppress.by_class", "suppress.most", "suppress.overlap", "suppress.least"),
            "suppress.kept",  # (S, 3): frame, class, cell
            {},
        ),
        ("Gather", ("suppress.kept", "suppress.frame_and_cell"), "suppress.places", {"axis": 1}),
        ("Shape", ("suppress.places",), "suppress.shape", {}),
        ("Slice", ("suppress.shape", "suppress.first", "suppress.second"), "suppress.count", {}),
        ("ConstantOfShape", ("suppress.count",), "suppress.ones", {"value": one}),
        ("Mul", (_RAW, "suppress.zero"), "suppress.dark", {}),
        ("ScatterND", ("suppress.dark", "suppress.places", "suppress.ones"), "suppress.mask", {}),
        ("Mul", (_RAW, "suppress.mask"), "scores", {}),
    ]
    graph.node.extend(
        helper.make_node(kind, list(inputs), [output], **options) for kind, inputs, output, options in steps
    )
    raw = next(output for output in graph.output if output.name == _RAW)
    scores = onnx.ValueInfoProto()
    scores.CopyFrom(raw)
    scores.name = "scores"
    graph.value_info.append(raw)
    graph.output.remove(raw)
    graph.output.insert(1, scores)
