"""Detectors from checkpoints."""

from __future__ import annotations

from pathlib import Path

from training.methods.avdet.config import AvdetConfig
from training.methods.avdet.module import Avdet
from training.methods.heads import HeadKind, load_head

DETECTOR = HeadKind(Avdet, AvdetConfig, names="names", called="a detector")


def load_detector(path: Path) -> Avdet:
    """The detector of a checkpoint, in evaluation mode.

    Raises CheckpointError: the file is no checkpoint of a detector.
    """
    return load_head(path, DETECTOR)
