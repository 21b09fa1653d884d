"""What is said during training where there is no terminal to draw a progress bar on."""

from __future__ import annotations

import time
from collections.abc import Callable

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from typing_extensions import override


class EpochLines(Checkpoint):
    """One line an epoch: how many are done, what was logged, and how long it took.

    It is a `Checkpoint` so that Lightning calls it last, when everything has been logged.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._started_s = time.monotonic()

    @override
    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started_s = time.monotonic()

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        # What is logged both by step and by epoch stands there three times; the mean of the epoch will do.
        metrics = {
            name: value
            for name, value in trainer.callback_metrics.items()
            if not name.endswith(("_step", "_epoch"))
        }
        logged = ", ".join(f"{name} {float(metrics[name]):.4f}" for name in sorted(metrics))
        seconds = time.monotonic() - self._started_s
        self._say(f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs} ({seconds:.1f} s): {logged}")
