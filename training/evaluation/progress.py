"""Progress of an evaluation: a bar with rate and remaining time on a terminal, nothing in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

Watch = Callable[[str, int, int, str], None]
"""Told what is being done, how many are done, of how many, and the id of the last one."""

_ID_WIDTH = 40


def unwatched(stage: str, done: int, total: int, name: str) -> None:
    """A `Watch` that looks away."""


class Bars:
    """A `Watch` that draws a bar for each stage."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int, name: str) -> None:
        task = self._tasks.get(stage)
        if task is None:
            task = self._tasks[stage] = self._progress.add_task(stage, total=total, name="", rate="")
        speed = self._progress.tasks[self._progress.task_ids.index(task)].speed
        rate = "" if speed is None else f"{speed:.1f}/s"
        shown = "" if done == total else name[-_ID_WIDTH:]
        self._progress.update(task, completed=done, name=shown, rate=rate)


@contextmanager
def bars() -> Iterator[Watch]:
    """Bars on standard error, if that is a terminal."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(),
        TextColumn("{task.fields[name]}", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        yield Bars(progress)
