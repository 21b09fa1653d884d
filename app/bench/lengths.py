"""Memory and time of an analysis by the length of the clip, each in a process of its own.

That process is `python -m app.bench.lengths CLIP`, which prints the seconds that the analysis took: of the
clock, and of all processors.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from app.bench.clips import Clips
from app.bench.environment import environment
from app.bench.figures import Figure
from app.bench.processes import Spent, family_bytes
from app.errors import InternalError
from app.settings import Settings

MINUTE_S = 60.0

_MiB = 1024 * 1024
_POLL_S = 0.05
_MOST_BYTES = 1.2e9


@dataclass(frozen=True, slots=True)
class Analysis:
    """Attributes: spent: without loading the bundle. peak_bytes: memory at its largest."""

    spent: Spent
    peak_bytes: int


def length_figures(clips: Clips, lengths_s: Sequence[float], settings: Settings) -> list[Figure]:
    """Peak memory and time for clips of these lengths, which rise, one minute among them.

    Each longer one is set against the minute, which is analysed anew before and after it, so that a machine
    that slows down meanwhile slows down both.
    """
    runs = {
        length_s: [analyze_apart(clips.get(length_s), settings)]
        for length_s in lengths_s
        if length_s <= MINUTE_S
    }
    minutes = runs[MINUTE_S]
    for length_s in lengths_s:
        if length_s > MINUTE_S:
            runs[length_s] = [analyze_apart(clips.get(length_s), settings)]
            minutes.append(analyze_apart(clips.get(MINUTE_S), settings))
    what = f"720p ({clips.content}), at the rate of the bundle"
    together = f"{what}; analysing process and decode child together"
    figures = []
    for length_s, made in sorted(runs.items()):
        name, times = _told(length_s), _times(len(made))
        figures += [
            Figure.over(
                f"peak memory, {name}",
                [run.peak_bytes / _MiB for run in made],
                "MiB",
                f"{name} of {together}; {times}",
                most=_MOST_BYTES / _MiB,
            ),
            Figure.over(
                f"time per minute, {name}",
                [MINUTE_S * run.spent.wall_s / length_s for run in made],
                "s",
                f"{name} of {what}; {times}",
            ),
        ]
    longer_s = [length_s for length_s in lengths_s if length_s > MINUTE_S]
    for index, length_s in enumerate(longer_s):
        figures += _growth(length_s, runs[length_s][0], minutes[index : index + 2])
    return figures


def analyze_apart(clip: Path, settings: Settings) -> Analysis:
    """Analyse the clip in a fresh process. Raises InternalError if that fails."""
    command = [sys.executable, "-m", "app.bench.lengths", str(clip)]
    with subprocess.Popen(  # noqa: S603 - our own command
        command, env=environment(settings), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        peak = 0
        while process.poll() is None:
            peak = max(peak, family_bytes(process.pid))
            time.sleep(_POLL_S)
        said = process.stdout.read()
    if process.returncode != 0:
        raise InternalError(f"the analysis of {clip.name} ended with {process.returncode}")
    return Analysis(Spent(*map(float, said.split())), peak)


def _growth(length_s: float, long: Analysis, minutes: Sequence[Analysis]) -> list[Figure]:
    name = f"{_told(length_s)} against {_told(MINUTE_S)}"
    before_and_after = f"{name}, which was run before and after"
    memory = 100 * (long.peak_bytes / statistics.mean(minute.peak_bytes for minute in minutes) - 1)
    scale = MINUTE_S / length_s
    time = [100 * (scale * long.spent.wall_s / minute.spent.wall_s - 1) for minute in minutes]
    cpu = [100 * (scale * long.spent.cpu_s / minute.spent.cpu_s - 1) for minute in minutes]
    return [
        Figure("growth of peak memory", memory, "%", name, most=15.0),
        Figure.over("growth of the time per minute", time, "%", before_and_after, most=10.0),
        Figure.over("growth of the processor time per minute", cpu, "%", before_and_after),
    ]


def _told(length_s: float) -> str:
    return f"{length_s:g} s" if length_s <= MINUTE_S else f"{length_s / 60:g} min"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _analyze(clip: Path) -> Spent:
    from app.inference.registry import BundleRegistry
    from app.pipeline.analyze import analyze
    from app.pipeline.options import AnalyzeOptions

    settings = Settings()
    bundle = BundleRegistry(settings).get()
    start = Spent.so_far()
    analyze(clip, bundle=bundle, settings=settings, options=AnalyzeOptions())
    return Spent.so_far() - start


if __name__ == "__main__":
    taken = _analyze(Path(sys.argv[1]))
    typer.echo(f"{taken.wall_s} {taken.cpu_s}")
