"""How fast the graphs are by themselves, and how much the pipeline adds to them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.bench.figures import Figure
from app.inference.bundle import Bundle
from app.inference.contract import Versions
from app.inference.manifest import Task
from app.inference.sessions import GraphRunner, Runner
from app.pipeline.analyze import AnalyzeOptions, analyze
from app.pipeline.features import Features
from app.pipeline.perturbation import shown_parts
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
    if "explain" in manifest.tasks:
        figures += _explain_graph_figures(bundle, Features(tokens, class_map, events, embedding))
    return figures


def compared_figures(bundle: Bundle, other: Bundle, settings: Settings) -> list[Figure]:
    """How many times as fast frames are encoded as by another bundle, both on noise and by turns."""
    batch, rng = settings.inference.batch_frames, np.random.default_rng(0)
    taken: dict[str, list[float]] = {bundle.info.name: [], other.info.name: []}
    for turn in range(_REPEATS + 1):
        for each in (bundle, other):
            side = each.manifest.input_size
            frames = rng.integers(0, 256, (batch, side, side, 3), np.uint8)
            started_s = time.perf_counter()
            each.visual(frames)
            if turn:  # the first one warms up
                taken[each.info.name].append(time.perf_counter() - started_s)
    own_s, other_s = map(statistics.median, taken.values())
    return [
        Figure(
            f"visual graph, times as fast as that of {other.info.name}",
            other_s / own_s,
            "x",
            f"noise, batches of {batch}; medians of {_REPEATS} by turns",
            least=3.0,
        )
    ]


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


def added_figures(bundle: Bundle, settings: Settings, clip: Path, *, content: str) -> list[Figure]:
    """What the tasks `detect` and `explain` each add to the time of `localize`, if the bundle offers them.

    The clip is analysed without and with each of them by turns, so that a machine that slows down in the
    course of the measurement slows down all.
    """
    added = [task for task in bundle.manifest.tasks if task != "localize"]
    if not added:
        return []
    chosen: list[tuple[Task, ...]] = [("localize",), *(("localize", task) for task in added)]
    taken: dict[tuple[Task, ...], list[float]] = {tasks: [] for tasks in chosen}
    results = {}
    for _ in range(_TURNS):
        for tasks, seconds in taken.items():
            started_s = time.perf_counter()
            options = AnalyzeOptions(fps=FPS, tasks=tasks)
            results[tasks] = analyze(clip, bundle=bundle, settings=settings, options=options)
            seconds.append(time.perf_counter() - started_s)
    alone_s, *with_s = (statistics.median(seconds) for seconds in taken.values())
    figures = []
    for task, both_s in zip(added, with_s, strict=True):
        result = results["localize", task]
        measured_on = (
            f"{result.source.duration_s:.0f} s of {result.source.width}x{result.source.height} ({content}),"
            f" {len(result.frames)} frames; medians of {_TURNS} by turns"
        )
        name = f"time that {task} adds to localize"
        if task == "detect":
            figures.append(Figure(name, 100 * (both_s / alone_s - 1), "%", measured_on, most=15.0))
        else:
            measured_on += f"; stretches explained: {len(result.explanations or ())}"
            figures.append(Figure(name, both_s - alone_s, "s", measured_on, most=1.0))
    return figures


def _explain_graph_figures(bundle: Bundle, features: Features) -> list[Figure]:
    """Milliseconds for a stretch of as many steps as there can be: for one version of it, and for as many
    with hidden parts as the pipeline asks for at once. The frames of `features` take turns."""
    heat, _ = bundle.localize(features.tokens, features.class_map, features.events, features.audio)
    stretch = [
        np.resize(part, (bundle.explainer.steps, *part.shape[1:]))
        for part in (features.tokens, features.class_map, features.audio, heat)
    ]
    shape, rng = stretch[-1].shape, np.random.default_rng(0)
    # Parts of the picture, as many of the sound, and then without the one, the other, and both.
    most = 2 * len(shown_parts(np.zeros(shape[0], np.float32), rng)) + 3
    figures = []
    for name, count in (("one version", 1), ("all versions", most)):
        cells = rng.integers(0, 2, (count, *shape)).astype(np.float32)
        steps = rng.integers(0, 2, (count, shape[0])).astype(np.float32)
        versions = Versions(
            cells, steps, blurred=np.zeros(count, np.float32), silent=np.zeros(count, np.float32)
        )
        taken = _milliseconds(partial(bundle.explain, *stretch, versions=versions))
        figures.append(
            Figure(f"explain graph, {name}", taken, "ms", f"noise, {shape[0]} steps, versions: {count}")
        )
    return figures


def _milliseconds(run: Callable[[], object]) -> float:
    run()
    taken = []
    for _ in range(_REPEATS):
        started_s = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started_s)
    return 1000 * statistics.median(taken)


class _Recorder:
    """Stands between the pipeline and the graphs of a bundle and keeps the inputs of all runs.

    `explain` is beyond it: its inputs come from more runs of the visual graph than the last one.
    """

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
