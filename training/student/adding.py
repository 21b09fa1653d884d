"""A bundle with the student of a checkpoint."""

from __future__ import annotations

import datetime
from pathlib import Path

import onnx
import torch

from app.inference.manifest import MANIFEST, Manifest, read_manifest, sha256_of, write_manifest
from training.bundles.adding import check_new, check_shape
from training.loop.checkpoint import CheckpointError, read_checkpoint
from training.manifest import describe_graph
from training.methods.simkd.loading import load_student
from training.methods.simkd.student import Student
from training.onnx_graph import to_onnx
from training.precision import store_as_half
from training.student.manifest import student_manifest
from training.trained import Description, command_of


def add_student(
    bundle: Path, checkpoint: Path, out: Path, *, description: Description, side: int | None = None
) -> Manifest:
    """Write a bundle that sees with a student and shares all other graphs with the bundle of its teacher.

    Args:
        bundle: directory of the teacher's bundle. The service finds it where it finds bundles.
        checkpoint: of `earsight-train simkd`.
        out: directory of the new bundle; made if need be, and not that of the old one.
        description: of the new bundle; data and licence are those of the student.
        side: of the frames in pixels, a multiple of 32; None takes that of the training. The student is made
            of convolutions only: larger frames take more time and give finer maps.

    Raises:
        BundleError: the bundle cannot be read.
        CheckpointError: the file is no checkpoint of a student, or of one with a localiser of its own, or of
            one that learned from another bundle's encoder.
        ValueError: `out` is the bundle itself or no name for one, or no frame has such a side.
    """
    check_new(bundle, out, description.name)
    base = read_manifest(bundle)
    student, own_localizer = load_student(checkpoint)
    if own_localizer is not None:
        raise CheckpointError(f"{checkpoint} was trained for a comparison, not for the heads of a bundle")
    grid, token, cells = student.shapes
    n_classes = student.backbone.fc.out_features
    for name, shape in (("tokens", (grid, grid, token)), ("class_map", (cells, cells, n_classes))):
        check_shape(base, name, shape, bundle=bundle, checkpoint=checkpoint)
    trained = read_checkpoint(checkpoint)
    side = side or int(trained.config["side"])
    if side % 32:
        raise ValueError(
            f"frames of {side} pixels do not fit the strides of the student: take a multiple of 32"
        )
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)  # a server that reloads meanwhile must not take half a bundle
    graph = out / "visual.onnx"
    graph.write_bytes(student_graph(student, side).SerializeToString(deterministic=True))
    encoder = f"EfficientNet-Lite0 at {side} px, distilled from {base.name} {base.version}"
    written = student_manifest(
        base,
        describe_graph(graph, role="visual"),
        {
            "name": description.name,
            "version": description.version,
            "created": datetime.datetime.now(tz=datetime.UTC).date(),
            "licence": description.licence,
            "training_command": command_of(trained.method, trained.config),
            "training_data": description.training_data,
            "encoders": {"tokens": encoder, "class_map": encoder},
            "student": {
                "name": "SimKD, a distilled visual encoder",
                "licence": description.licence,
                "source": checkpoint.name,
                "sha256": sha256_of(checkpoint),
                "note": "Trained for this bundle.",
            },
        },
    )
    write_manifest(written, out)
    return written


def student_graph(student: Student, side: int) -> onnx.ModelProto:
    """frames (N, S, S, 3) uint8 to tokens (N, G, G, Dv) and class_map (N, H, W, 1000), float32.

    It computes in float32, with weights stored at half the size: ONNX Runtime has no fast convolutions on a
    CPU with fewer bits and scales that change.
    """
    frames = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    return store_as_half(to_onnx(student, {"frames": frames}, outputs=("tokens", "class_map")))
