"""A bundle with the detector of a checkpoint, made from a bundle without, or with another one."""

from __future__ import annotations

from pathlib import Path

from app.inference.manifest import Manifest
from training.bundles.adding import Addition, add_head, check_shape
from training.detector.graph import detect_graph
from training.detector.shipped import described
from training.manifest import DETECT
from training.methods.avdet.loading import load_detector
from training.trained import Description


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

    def make(manifest: Manifest) -> Addition:
        detector = load_detector(checkpoint)
        token, _, grid = detector.hparams["widths"]
        check_shape(manifest, "tokens", (grid, grid, token), bundle=bundle, checkpoint=checkpoint)
        return Addition(
            task=DETECT,
            head=detector,
            graph=detect_graph(detector),
            title="AVDet, a trained detector",
            told={"detector": described(detector)},
        )

    return add_head(bundle, checkpoint, out, description=description, make=make)
