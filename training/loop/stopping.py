"""Stopping before the end: on Ctrl-C or when time is up, at a place where nothing is lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from typing_extensions import override

from training.loop.checkpoint import Circumstances, write_circumstances
from training.loop.errors import LoopError

_SOON = b"\nStopping after this step (press Ctrl-C again to stop at once).\n"

Reason = Literal["interrupted", "out of time"]


class Stopped(Exception):
    """Raised inside the trainer to leave it. The last checkpoint has been written."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class Diverged(LoopError):
    """The loss is no longer a number."""


class StopSignal:
    """Says whether a run should stop, and why."""

    def __init__(self, minutes: float | None) -> None:
        self._ends_s = None if minutes is None else time.monotonic() + 60 * minutes
        self._interrupted = False

    @property
    def reason(self) -> Reason | None:
        if self._interrupted:
            return "interrupted"
        return "out of time" if self._ends_s is not None and time.monotonic() >= self._ends_s else None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the first Ctrl-C as a wish to stop; the second one ends the run at once."""
        if threading.current_thread() is not threading.main_thread():  # only there may handlers be set
            yield
            return
        before = signal.signal(signal.SIGINT, self._take)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True
        os.write(2, _SOON)  # the one way of writing that may interrupt another


class LastCheckpoint(Checkpoint):
    """Writes the last state at the end of each epoch, and in the middle of one when the run should stop.

    It is a `Checkpoint` so that Lightning calls it after all other callbacks. It must be listed after the one
    that keeps the best state: what that one knows goes into the file, too.

    Attributes:
        path: of the file.
        cut_short: whether the last epoch ended before all its batches were seen; the file holds that state.
    """

    def __init__(
        self, path: Path, *, stop: StopSignal, best: ModelCheckpoint, circumstances: Circumstances
    ) -> None:
        self.path = path
        self.cut_short = False
        self._stop, self._best, self._circumstances = stop, best, circumstances

    @override
    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        write_circumstances(self._circumstances, checkpoint)

    @override
    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        reason = self._reason(trainer)
        if (
            reason is not None and trainer.global_step > 0
        ):  # the state at the end of the epoch before is on disk
            raise Stopped(reason)

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if loss is not None and not torch.isfinite(loss):
            raise Diverged(
                f"the loss became {float(loss)} in step {trainer.global_step}, epoch {trainer.current_epoch}:"
                " a smaller learning rate, or --precision 32-true, usually helps"
            )
        reason = self._reason(trainer)
        if reason is None or trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            return
        trainer.save_checkpoint(self.path)
        if reason == "out of time" and not self._best.best_model_path:
            # Time for one look at the validation data, or there would be nothing to show for it.
            self.cut_short = trainer.should_stop = True
            return
        raise Stopped(reason)

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self.cut_short:
            trainer.save_checkpoint(self.path)

    def _reason(self, trainer: Trainer) -> Reason | None:
        """The same for all processes: they stop together, and for one reason."""
        reason = self._stop.reason
        if trainer.world_size == 1:
            return reason
        agree = trainer.strategy.reduce_boolean_decision
        if not agree(reason is not None, all=False):
            return None
        return "interrupted" if agree(reason == "interrupted", all=False) else "out of time"
