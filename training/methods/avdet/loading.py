"""Detectors from checkpoints."""

from __future__ import annotations

from pathlib import Path

from training.loop.checkpoint import CheckpointError, read_checkpoint
from training.loop.config import ConfigError, load_config
from training.methods.avdet.config import AvdetConfig
from training.methods.avdet.module import Avdet
from training.methods.localiser import Widths


def load_detector(path: Path) -> Avdet:
    """The detector of a checkpoint, in evaluation mode.

    Raises CheckpointError: the file is no checkpoint of a detector.
    """
    checkpoint = read_checkpoint(path)
    if checkpoint.method != Avdet.method:
        raise CheckpointError(f"{path} holds {checkpoint.method}, not a detector")
    try:
        config = load_config(AvdetConfig, overrides=checkpoint.config)
        widths, names = Widths(*checkpoint.about["widths"]), tuple(checkpoint.about["names"])
        module = Avdet(config, widths, tuple(checkpoint.about["class_map"]), names)
        module.load_state_dict(checkpoint.state)
    except (KeyError, TypeError, ConfigError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not fit avdet as it is here; was it made by another version? {error}"
        ) from error
    return module.eval()
