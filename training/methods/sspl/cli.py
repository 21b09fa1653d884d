"""`earsight-train sspl`."""

from __future__ import annotations

from training.methods.command import Kind, method_app


def load() -> Kind:
    """The method and its configuration."""
    from training.methods.sspl.config import SsplConfig
    from training.methods.sspl.module import Sspl

    return Kind(Sspl, SsplConfig)


app = method_app(
    load,
    about="Train SSPL, localisation without negatives; --set pcm=true adds the predictive coding module.",
)
