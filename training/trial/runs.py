"""Trainings of a trial, which are not done twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from training.loop.checkpoint import BEST, LAST
from training.loop.fitting import Fitted, RunOptions

DONE = "done"  # in the directory of a run that need not be gone on with


def best_checkpoint(
    run: RunOptions, train: Callable[[RunOptions], Fitted], *, say: Callable[[str], None]
) -> Path:
    """Train, or go on with a training that was broken off; the checkpoint of the best epoch.

    Raises what `train` raises, and KeyboardInterrupt if it was stopped.
    """
    if (run.out / DONE).exists():
        return run.out / BEST
    there = (run.out / LAST).exists()
    say(f"{run.out}{' (going on)' if there else ''}")
    if train(replace(run, resume=there)).outcome != "finished":
        raise KeyboardInterrupt
    (run.out / DONE).touch()
    return run.out / BEST
