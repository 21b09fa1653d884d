"""`earsight-train cmc`."""

from __future__ import annotations

from training.methods.command import Kind, method_app


def load() -> Kind:
    """The method and its configuration."""
    from training.methods.cmc.config import CmcConfig
    from training.methods.cmc.module import Cmc

    return Kind(Cmc, CmcConfig)


app = method_app(
    load,
    about="Train CMC, contrastive multiview coding, on sound, frames, augmented crops and motion.",
)
