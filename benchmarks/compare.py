"""Earsight against the same localiser served without it, over HTTP and by turns.

`python -m benchmarks.compare` needs the extras cpu, train and benchmarks, and the published weights.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from app.bench.clips import FPS, SAMPLE, Clips
from app.bench.environment import environment
from app.bench.figures import Figure, machine, tell_figures
from app.bench.processes import family_cpu_s
from app.bench.server import Running, post_clip, running, running_server
from app.inference.bundle import find_bundle
from app.inference.manifest import read_manifest
from app.settings import Settings
from benchmarks.recipe import Answer, Floats

OURS = "Earsight"


@dataclass(frozen=True, slots=True)
class Contender:
    """A running server and the path that clips are sent to."""

    name: str
    server: Running
    path: str

    def answer(self, clip: Path) -> Answer:
        content = post_clip(self.server, clip, path=self.path, fps=FPS, accept="application/x-npz")
        return Answer.from_npz(content)

    def spend(self, clip: Path) -> tuple[float, float]:
        """Seconds until the answer is there, and seconds of processor time that it took."""
        started_s, before_s = time.perf_counter(), family_cpu_s(self.server.pid)
        self.answer(clip)
        return time.perf_counter() - started_s, family_cpu_s(self.server.pid) - before_s


@contextmanager
def contenders(settings: Settings) -> Iterator[list[Contender]]:
    """All three at once; who is not asked waits and takes no time. Raises InternalError if one fails."""
    bundle, variables = settings.inference.bundle, environment(settings)
    with ExitStack() as stack:
        ours = stack.enter_context(running_server(settings))
        by_hand = stack.enter_context(
            running(lambda port: ["benchmarks.by_hand", str(port)], ready="/health", variables=variables)
        )
        litserve = stack.enter_context(
            running(
                lambda port: ["benchmarks.behind_litserve", str(port), bundle],
                ready="/health",
                variables=variables,
            )
        )
        yield [
            Contender(OURS, ours, "/v1/localize"),
            Contender("by hand (OpenCV, PyTorch, FastAPI)", by_hand, "/localize"),
            Contender("ONNX graphs behind LitServe", litserve, "/predict"),
        ]


def speed_figures(
    asked: Sequence[Contender], clip: Path, length_s: float, *, content: str, turns: int
) -> list[Figure]:
    """The real-time factor of each contender, its processor time, and how far ahead the first one is."""
    taken: dict[str, list[tuple[float, float]]] = {contender.name: [] for contender in asked}
    for turn in range(turns):
        for contender in asked if turn % 2 == 0 else reversed(asked):
            taken[contender.name].append(contender.spend(clip))
    on = f"{length_s:g} s of 720p ({content}) at {FPS:g} fps over HTTP; {turns} times by turns"
    figures = []
    for name, spent in taken.items():
        factors, loads = [length_s / wall_s for wall_s, _ in spent], [cpu_s / length_s for _, cpu_s in spent]
        figures += [
            Figure.over(f"real-time factor, {length_s:g} s: {name}", factors, "x", on),
            Figure.over(f"processor time per second, {length_s:g} s: {name}", loads, "s", on),
        ]
    ours = taken.pop(asked[0].name)
    for name, theirs in taken.items():
        pairs = list(zip(ours, theirs, strict=True))
        times, cpu = ([their[which] / our[which] for our, their in pairs] for which in (0, 1))
        figures += [
            Figure.over(f"times as fast as, {length_s:g} s: {name}", times, "x", on),
            Figure.over(f"times less processor time than, {length_s:g} s: {name}", cpu, "x", on),
        ]
    return figures


def quality_figures(asked: Sequence[Contender], clip: Path, *, content: str) -> list[Figure]:
    """How far the heatmaps of the others are from those of the first contender."""
    ours, *others = [contender.answer(clip) for contender in asked]
    figures = []
    for contender, theirs in zip(asked[1:], others, strict=True):
        on = f"{content}, {len(ours.time_s)} frames at {FPS:g} fps"
        difference = float(np.abs(ours.heatmap - theirs.heatmap).mean())
        figures += [
            Figure(f"mean absolute difference of heatmaps: {contender.name}", difference, "", on),
            Figure(f"same place: {contender.name}", 100 * pointing_agreement(ours, theirs), "%", on),
        ]
    return figures


def pointing_agreement(ours: Answer, theirs: Answer, *, presence: float = 0.5) -> float:
    """Share of frames whose highest cells are the same or touch, of those where either finds a source."""
    sure = np.maximum(ours.presence, theirs.presence) >= presence
    apart = np.abs(_peaks(ours.heatmap[sure]) - _peaks(theirs.heatmap[sure])).max(1)
    return float((apart <= 1).mean())


def _peaks(heatmap: Floats) -> np.ndarray:
    """Row and column (T, 2) of the highest cell of each map."""
    cells = heatmap.reshape(len(heatmap), -1).argmax(1)
    return np.stack(np.unravel_index(cells, heatmap.shape[1:]), 1)


def compare(
    length: Annotated[list[float] | None, typer.Option(help="Length of a clip in seconds.")] = None,
    turns: Annotated[int, typer.Option(min=1, help="How often each clip is sent to each.")] = 3,
    bundle: Annotated[str, typer.Option(help="Bundle that Earsight and LitServe run.")] = "default",
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    """Measure Earsight against the same localiser by hand and behind LitServe."""
    settings = Settings()
    settings = settings.model_copy(
        update={"inference": settings.inference.model_copy(update={"bundle": bundle})}
    )
    manifest = read_manifest(find_bundle(bundle, settings.inference))
    figures = []
    with tempfile.TemporaryDirectory(prefix="earsight-compare-") as scratch, contenders(settings) as asked:
        figures += quality_figures(asked, SAMPLE, content="the sample clip")  # also warms all of them up
        clips = Clips(Path(scratch), settings)
        for length_s in length or (10.0, 60.0):
            clip = clips.get(length_s)
            figures += speed_figures(asked, clip, length_s, content=clips.content, turns=turns)
    about = machine() | {"bundle": f"{manifest.name} {manifest.version}"}
    tell_figures(figures, about=about, json_file=json_file)


if __name__ == "__main__":
    typer.run(compare)
