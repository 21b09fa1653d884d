"""Explainers from checkpoints."""

from __future__ import annotations

from pathlib import Path

from training.methods.heads import HeadKind, load_head
from training.methods.stan.config import StanConfig
from training.methods.stan.module import Stan

EXPLAINER = HeadKind(Stan, StanConfig, names="events", called="an explainer")


def load_explainer(path: Path) -> Stan:
    """The explainer of a checkpoint, in evaluation mode.

    Raises CheckpointError: the file is no checkpoint of an explainer.
    """
    return load_head(path, EXPLAINER)
