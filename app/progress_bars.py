"""Progress of one input on the terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from app.pipeline.options import Progress as Analyzed


class Bars:
    """Progress on a terminal, silence in a pipe. The bars come one after the other."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name
        self._stage = ""
        self._task: TaskID | None = None
        self._started_s = self._seen_s = time.monotonic()

    def analyzed(self, progress: Analyzed) -> None:
        done = progress.time_s / progress.duration_s if progress.duration_s else 1.0
        self._show("analysing", progress.frames_done, done)

    def drawn(self, frames_done: int, fraction: float) -> None:
        self._show("drawing", frames_done, fraction)

    def _show(self, stage: str, frames_done: int, fraction: float) -> None:
        if stage != self._stage or self._task is None:
            if self._task is not None:
                self._progress.update(self._task, completed=1.0)
            self._task = self._progress.add_task(f"{self._name}: {stage}", total=1.0, rate="")
            # The work on a stage begins when that on the one before ends, not with its first report.
            self._stage, self._started_s = stage, self._seen_s
        self._seen_s = time.monotonic()
        rate = frames_done / max(self._seen_s - self._started_s, 1e-3)
        self._progress.update(self._task, completed=min(1.0, fraction), rate=f"{rate:.1f} frames/s")


@contextmanager
def progress_bars(name: str) -> Iterator[Bars]:
    """For the work on one input, of that name."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        yield Bars(progress, name)
