"""Checkpoints of all methods, opened as modules."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from training.loop.checkpoint import Checkpoint, CheckpointError, read_checkpoint
from training.loop.config import ConfigError, load_config
from training.methods.localiser import AudioVisualLocaliser, Widths
from training.methods.localisers import NAMES, find_kind

_ENCODERS = "encoders."


def load_localizer(path: Path) -> AudioVisualLocaliser:
    """The localiser of a checkpoint, for features that the encoders of a bundle give.

    Raises:
        CheckpointError: the file is no checkpoint of a localiser, or it has encoders of its own.
    """
    checkpoint = read_checkpoint(path)
    if any(name.startswith(_ENCODERS) for name in checkpoint.state):
        raise CheckpointError(
            f"{path} has encoders of its own: export it to a bundle, and measure that one with --bundle"
        )
    return load_method(checkpoint, path=path).eval()


def load_method(
    checkpoint: Checkpoint, *, path: Path, encoders: nn.Module | None = None
) -> AudioVisualLocaliser:
    """The module of a checkpoint with its weights; `encoders` gets those that were trained along.

    Raises CheckpointError, which names `path`.
    """
    if checkpoint.method not in NAMES:
        raise CheckpointError(
            f"{path} holds {checkpoint.method}, which gives no map; maps come from {', '.join(NAMES)}"
        )
    kind, config = find_kind(checkpoint.method)
    try:
        widths = Widths(*checkpoint.about["widths"])
        module = kind(load_config(config, overrides=checkpoint.config), widths, encoders=encoders)
        module.load_state_dict(checkpoint.state)
    except (KeyError, TypeError, ConfigError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not fit {checkpoint.method} as it is here; was it made by another version? {error}"
        ) from error
    return module
