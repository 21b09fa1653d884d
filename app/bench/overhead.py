"""How much time the pipeline costs beyond what ONNX Runtime takes for the same work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from app.bench.clips import FPS
from app.bench.figures import Figure
from app.bench.processes import Spent
from app.inference.bundle import Bundle
from app.inference.manifest import GraphFile
from app.inference.sessions import Runner
from app.pipeline.analyze import analyze
from app.pipeline.options import AnalyzeOptions
from app.settings import Settings

TURNS = 5

Feeds = dict[str, npt.NDArray[Any]]


def overhead_figures(
    bundle: Bundle, settings: Settings, clip: Path, *, content: str, turns: int = TURNS
) -> list[Figure]:
    """The real-time factor at 8 frames per second, decoding included, and what it costs beyond the graphs.

    The clip is analysed once with a note taken of every batch that the graphs got. Then, by turns, since the
    clock of a processor drifts, it is analysed again, and the graphs are run bare: on those batches, in that
    order, with nothing in between. Every second turn begins with the bare runs.
    """
    options = AnalyzeOptions(fps=FPS)
    calls: list[tuple[Runner, Feeds]] = []
    result = analyze(clip, bundle=_recorded(bundle, calls), settings=settings, options=options)

    def run_whole() -> Spent:
        start = Spent.so_far()
        analyze(clip, bundle=bundle, settings=settings, options=options)
        return Spent.so_far() - start

    whole, bare = [], []
    for turn in range(turns):
        if turn % 2:
            bare.append(_replay(calls))
        whole.append(run_whole())
        if not turn % 2:
            bare.append(_replay(calls))
    duration_s, pairs = result.source.duration_s, list(zip(whole, bare, strict=True))
    on = (
        f"{duration_s:.0f} s of {result.source.width}x{result.source.height} ({content}),"
        f" {len(result.frames)} frames; {turns} times by turns"
    )
    over = [100 * (pipeline.wall_s / graphs.wall_s - 1) for pipeline, graphs in pairs]
    over_cpu = [100 * (pipeline.cpu_s / graphs.cpu_s - 1) for pipeline, graphs in pairs]
    return [
        Figure.over(
            "real-time factor at 8 fps", [duration_s / each.wall_s for each in whole], "x", on, least=4.0
        ),
        Figure.over("the same of bare ONNX Runtime", [duration_s / each.wall_s for each in bare], "x", on),
        Figure.over("time over bare ONNX Runtime", over, "%", on, most=5.0),
        Figure.over("processor time over bare ONNX Runtime", over_cpu, "%", f"{on}; decoding included"),
    ]


@dataclass(frozen=True, slots=True)
class _RecordedRunner:
    """Runs as the runner does and keeps the inputs, except those that the visual graph made: every class map
    would be gigabytes."""

    runner: Runner
    calls: list[tuple[Runner, Feeds]]

    @property
    def entry(self) -> GraphFile:
        return self.runner.entry

    @property
    def buckets(self) -> tuple[int, ...]:
        return self.runner.buckets

    def run(self, feeds: Mapping[str, npt.NDArray[Any]]) -> Feeds:
        kept = {name: values.copy() for name, values in feeds.items() if name not in ("tokens", "class_map")}
        self.calls.append((self.runner, kept))
        return self.runner.run(feeds)


def _recorded(bundle: Bundle, calls: list[tuple[Runner, Feeds]]) -> Bundle:
    """The same bundle, with a note taken of every run."""
    runners: dict[str, Runner] = {
        role: _RecordedRunner(runner, calls) for role, runner in bundle.runners.items()
    }
    return replace(bundle, runners=runners)


def _replay(calls: list[tuple[Runner, Feeds]]) -> Spent:
    """What the bare graphs take. What the visual graph makes feeds the next one anew."""
    total = Spent(0.0, 0.0)
    made: Feeds = {}
    for runner, kept in calls:
        feeds = {
            spec.name: kept[spec.name] if spec.name in kept else made[spec.name]
            for spec in runner.entry.inputs
        }
        start = Spent.so_far()
        made |= runner.run(feeds)
        total += Spent.so_far() - start
    return total
