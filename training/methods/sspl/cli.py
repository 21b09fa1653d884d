"""`earsight-train sspl`."""

from __future__ import annotations

from training.methods.command import method_app

app = method_app(
    "sspl",
    about="Train SSPL, localisation without negatives; --set pcm=true adds the predictive coding module.",
)
