"""`earsight-train cmc`."""

from __future__ import annotations

from training.methods.command import method_app

app = method_app(
    "cmc",
    about="Train CMC, contrastive multiview coding, on sound, frames, augmented crops and motion.",
)
