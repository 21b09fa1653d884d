"""A bundle with the detector of a checkpoint, made from a bundle without, or with another one."""

from __future__ import annotations

import datetime
import re
import shutil
from pathlib import Path

from app.inference.manifest import (
    MANIFEST,
    Manifest,
    Weights,
    read_manifest,
    sha256_of,
    write_manifest,
)
from training.detector.graph import detect_graph
from training.detector.shipped import described
from training.loop.checkpoint import CheckpointError
from training.manifest import describe_graph
from training.methods.avdet.loading import load_detector
from training.methods.avdet.module import Avdet
from training.trained import Description, command_of

GRAPH = "detect.onnx"
_TASK = "detect"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")  # as a manifest has it


def add_detector(bundle: Path, checkpoint: Path, out: Path, *, description: Description) -> Manifest:
    """Write a bundle that localises as another one does, and detects.

    Args:
        bundle: directory of a bundle whose visual encoder is the one that the detector was trained behind.
        checkpoint: of `earsight-train avdet`.
        out: directory of the new bundle; made if need be, and not that of the old one.
        description: of the new bundle; data and licence are those of the detector.

    Raises:
        BundleError: the bundle cannot be read.
        CheckpointError: the file is no checkpoint of a detector, or of one behind another encoder.
        ValueError: both directories are the same, or no bundle can be called so.
    """
    if out.resolve() == bundle.resolve():
        raise ValueError(f"{out} is the bundle itself: name another directory")
    if not _NAME.fullmatch(description.name):
        raise ValueError(
            f"{description.name!r} is no name for a bundle: take small letters, digits, dots, dashes and"
            " underscores"
        )
    manifest, detector = read_manifest(bundle), load_detector(checkpoint)
    _check(manifest, detector, bundle=bundle, checkpoint=checkpoint)
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)  # a server that reloads meanwhile must not take half a bundle
    kept = tuple(entry for entry in manifest.files if entry.role != _TASK)
    for entry in kept:
        shutil.copyfile(bundle / entry.path, out / entry.path)
    (out / GRAPH).write_bytes(detect_graph(detector).SerializeToString(deterministic=True))
    head = Weights(
        name="AVDet, a trained detector",
        licence=description.licence,
        source=checkpoint.name,
        sha256=sha256_of(checkpoint),
        note="Trained for this bundle.",
    )
    trained = command_of(detector.method, detector.hparams["config"])
    written = manifest.model_copy(
        update={
            "name": description.name,
            "version": description.version,
            "created": datetime.datetime.now(tz=datetime.UTC).date(),
            "tasks": tuple(dict.fromkeys((*manifest.tasks, _TASK))),
            "weights": (*manifest.weights, head),
            "training_data": (
                *manifest.training_data,
                *(f"detector: {line}" for line in description.training_data),
            ),
            "training_command": f"{manifest.training_command} && {trained}",
            "detector": described(detector),
            "files": (*kept, describe_graph(out / GRAPH, role=_TASK)),
        }
    )
    write_manifest(written, out)
    return written


def _check(manifest: Manifest, detector: Avdet, *, bundle: Path, checkpoint: Path) -> None:
    tokens = next(spec for spec in manifest.file("visual").outputs if spec.name == "tokens")
    token, _, grid = detector.hparams["widths"]
    if tokens.shape[1:] != (grid, grid, token):
        raise CheckpointError(
            f"{checkpoint} was trained on tokens of {grid} x {grid} x {token}, {bundle} gives"
            f" {' x '.join(map(str, tokens.shape[1:]))}: take the bundle that its caches were made with"
        )
