"""Checkpoints of all methods, opened as modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from training.loop.checkpoint import Checkpoint, CheckpointError, read_checkpoint
from training.loop.config import ConfigError, load_config
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc
from training.methods.localiser import AudioVisualLocaliser, Widths
from training.methods.sspl.config import SsplConfig
from training.methods.sspl.module import Sspl

_LOCALISERS: dict[str, tuple[type[AudioVisualLocaliser], type[Any]]] = {
    Cmc.method: (Cmc, CmcConfig),
    Sspl.method: (Sspl, SsplConfig),
}
_ENCODERS = "encoders."


class Localiser(nn.Module):
    """A trained localiser with the inputs that every localiser of a bundle may read."""

    def __init__(self, method: AudioVisualLocaliser) -> None:
        super().__init__()
        self.method = method

    def forward(
        self,
        tokens: Tensor,
        class_map: Tensor,  # noqa: ARG002
        events: Tensor,
        embedding: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Heatmap (N, G, G) and presence (N,); class maps are not looked at."""
        heatmap: Tensor
        presence: Tensor
        heatmap, presence = self.method(tokens, embedding, events)
        return heatmap, presence


def load_localizer(path: Path) -> Localiser:
    """The localiser of a checkpoint, for features that the encoders of a bundle give.

    Raises:
        CheckpointError: the file is no checkpoint of a localiser, or it has encoders of its own.
    """
    checkpoint = read_checkpoint(path)
    if any(name.startswith(_ENCODERS) for name in checkpoint.state):
        raise CheckpointError(
            f"{path} has encoders of its own: export it to a bundle, and measure that one with --bundle"
        )
    return Localiser(load_method(checkpoint, path=path).eval())


def load_method(
    checkpoint: Checkpoint, *, path: Path, encoders: nn.Module | None = None
) -> AudioVisualLocaliser:
    """The module of a checkpoint with its weights; `encoders` gets those that were trained along.

    Raises CheckpointError, which names `path`.
    """
    if checkpoint.method not in _LOCALISERS:
        raise CheckpointError(
            f"{path} holds {checkpoint.method}, which gives no map; maps come from {', '.join(_LOCALISERS)}"
        )
    kind, config = _LOCALISERS[checkpoint.method]
    try:
        widths = Widths(*checkpoint.about["widths"])
        module = kind(load_config(config, overrides=checkpoint.config), widths, encoders=encoders)
        module.load_state_dict(checkpoint.state)
    except (KeyError, TypeError, ConfigError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not fit {checkpoint.method} as it is here; was it made by another version? {error}"
        ) from error
    return module
