"""How fast the graphs are by themselves, and how much the pipeline adds to them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.bench.figures import Figure
from app.inference.bundle import Bundle
from app.inference.manifest import Task
from app.inference.sessions import GraphRunner, Runner
from app.pipeline.analyze import AnalyzeOptions, analyze
from app.settings import Settings

FPS = 8.0
_REPEATS = 10
_TURNS = 3
_WINDOWS = 8

Feeds = dict[str, npt.NDArray[Any]]


def graph_figures(bundle: Bundle, settings: Settings) -> list[Figure]:
    """Milliseconds of each graph for one frame or one window of sound: the median of ten runs on noise."""
    manifest, batch = bundle.manifest, settings.inference.batch_frames
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (batch, manifest.input_size, manifest.input_size, 3), np.uint8)
    windows = rng.uniform(-0.5, 0.5, (_WINDOWS, manifest.audio.window_samples)).astype(np.float32)
    tokens, class_map = bundle.visual(frames)
    events = rng.uniform(0, 1, (batch, len(manifest.events.labels))).astype(np.float32)
    embedding = np.repeat(bundle.audio(windows[:1])[1], batch, axis=0)
    frames_on, windows_on = f"noise, batches of {batch}", f"noise, batches of {_WINDOWS}"
    figures = [
        Figure("visual graph", _milliseconds(lambda: bundle.visual(frames)) / batch, "ms/frame", frames_on),
        Figure(
            "audio graph", _milliseconds(lambda: bundle.audio(windows)) / _WINDOWS, "ms/window", windows_on
        ),
        Figure(
            "localize graph",
            _milliseconds(lambda: bundle.localize(tokens, class_map, events, embedding)) / batch,
            "ms/frame",
            frames_on,
        ),
    ]
    if "detect" in manifest.tasks:
        taken = _milliseconds(lambda: bundle.detect(tokens, class_map)) / batch
        figures.append(Figure("detect graph", taken, "ms/frame", frames_on))
    return figures


def pipeline_figures(bundle: Bundle, settings: Settings, clip: Path, *, content: str) -> list[Figure]:
    """The real-time factor at 8 frames per second, decoding included, and what the pipeline costs beyond
    the graphs.

    The clip is analysed once with a note taken of every input of every graph; then ONNX Runtime is called
    bare, on the same inputs, in the same order, with nothing in between.
    """
    recorder = _Recorder(bundle)
    recorded = replace(bundle, runners=recorder.runners)
    started_s = time.perf_counter()
    result = analyze(clip, bundle=recorded, settings=settings, options=AnalyzeOptions(fps=FPS))
    whole_s = time.perf_counter() - started_s
    bare_s = recorder.replay()
    duration_s = result.source.duration_s
    measured_on = (
        f"{duration_s:.0f} s of {result.source.width}x{result.source.height} ({content}),"
        f" {len(result.frames)} frames, once"
    )
    return [
        Figure("real-time factor at 8 fps", duration_s / whole_s, "x", measured_on, least=1.0),
        Figure("time over bare ONNX Runtime", 100 * (whole_s / bare_s - 1), "%", measured_on, most=10.0),
    ]


def detect_figures(bundle: Bundle, settings: Settings, clip: Path, *, content: str) -> list[Figure]:
    """What the task `detect` adds to the time of `localize`; nothing for a bundle that does not offer it.

    The clip is analysed with and without it by turns, so that a machine that slows down in the course of the
    measurement slows down both.
    """
    if "detect" not in bundle.manifest.tasks:
        return []
    taken: dict[tuple[Task, ...], list[float]] = {("localize",): [], ("localize", "detect"): []}
    for _ in range(_TURNS):
        for tasks, seconds in taken.items():
            started_s = time.perf_counter()
            options = AnalyzeOptions(fps=FPS, tasks=tasks)
            result = analyze(clip, bundle=bundle, settings=settings, options=options)
            seconds.append(time.perf_counter() - started_s)
    alone_s, both_s = (statistics.median(seconds) for seconds in taken.values())
    measured_on = (
        f"{result.source.duration_s:.0f} s of {result.source.width}x{result.source.height} ({content}),"
        f" {len(result.frames)} frames; medians of {_TURNS} by turns"
    )
    added = 100 * (both_s / alone_s - 1)
    return [Figure("time that detect adds to localize", added, "%", measured_on, most=15.0)]


def _milliseconds(run: Callable[[], object]) -> float:
    run()
    taken = []
    for _ in range(_REPEATS):
        started_s = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started_s)
    return 1000 * statistics.median(taken)


class _Recorder:
    """Stands between the pipeline and the graphs of a bundle and keeps the inputs of all runs."""

    def __init__(self, bundle: Bundle) -> None:
        self._calls: list[tuple[str, Feeds]] = []
        self._sessions = {
            role: runner.session for role, runner in bundle.runners.items() if isinstance(runner, GraphRunner)
        }
        self.runners = {
            role: _RecordedRunner(role, runner, self._calls) for role, runner in bundle.runners.items()
        }

    def replay(self) -> float:
        """Seconds that the bare sessions take for all of it. Outputs of one graph feed the next one anew: to
        keep every class map would take gigabytes."""
        total_s = 0.0
        outputs: Feeds = {}
        for role, kept in self._calls:
            session = self._sessions[role]
            feeds = {
                argument.name: kept[argument.name] if argument.name in kept else outputs[argument.name]
                for argument in session.get_inputs()
            }
            started_s = time.perf_counter()
            values = session.run(None, feeds)
            total_s += time.perf_counter() - started_s
            outputs |= dict(zip((output.name for output in session.get_outputs()), values, strict=True))
        return total_s


class _RecordedRunner:
    """Runs like `runner` and notes the inputs, except those that the visual graph made."""

    def __init__(self, role: str, runner: Runner, calls: list[tuple[str, Feeds]]) -> None:
        self._role = role
        self._runner = runner
        self._calls = calls
        self.entry = runner.entry
        self.buckets = runner.buckets

    def run(self, feeds: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        kept = {name: values for name, values in feeds.items() if name not in ("tokens", "class_map")}
        self._calls.append((self._role, kept))
        return self._runner.run(feeds)
