"""How fast the graphs are by themselves, and what each task adds."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from app.bench.clips import FPS
from app.bench.figures import Figure
from app.inference.bundle import Bundle
from app.inference.contract import Versions
from app.inference.manifest import Task
from app.pipeline.analyze import analyze
from app.pipeline.features import Features
from app.pipeline.options import AnalyzeOptions
from app.pipeline.perturbation import shown_parts
from app.settings import Settings

_REPEATS = 10
_TURNS = 3
_WINDOWS = 8


def graph_figures(bundle: Bundle, settings: Settings) -> list[Figure]:
    """Milliseconds of each graph for one frame or one window of sound, on noise."""
    manifest, batch = bundle.manifest, settings.inference.batch_frames
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (batch, manifest.input_size, manifest.input_size, 3), np.uint8)
    windows = rng.uniform(-0.5, 0.5, (_WINDOWS, manifest.audio.window_samples)).astype(np.float32)
    tokens, class_map = bundle.visual(frames)
    events = rng.uniform(0, 1, (batch, len(manifest.events.labels))).astype(np.float32)
    embedding = np.repeat(bundle.audio(windows[:1])[1], batch, axis=0)
    on = f"noise, batches of {batch}"
    figures = [
        _timed("visual graph", lambda: bundle.visual(frames), on=on, unit="ms/frame", count=batch),
        _timed(
            "audio graph",
            lambda: bundle.audio(windows),
            on=f"noise, batches of {_WINDOWS}",
            unit="ms/window",
            count=_WINDOWS,
        ),
        _timed(
            "localize graph",
            lambda: bundle.localize(tokens, class_map, events, embedding),
            on=on,
            unit="ms/frame",
            count=batch,
        ),
    ]
    if "detect" in manifest.tasks:
        run = partial(bundle.detect, tokens, class_map)
        figures.append(_timed("detect graph", run, on=on, unit="ms/frame", count=batch))
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
    own, others = taken.values()
    return [
        Figure.over(
            f"visual graph, times as fast as that of {other.info.name}",
            [other_s / own_s for own_s, other_s in zip(own, others, strict=True)],
            "x",
            f"noise, batches of {batch}; {_REPEATS} times by turns",
            least=3.0,
        )
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
    alone, *both = taken.values()
    figures = []
    for task, seconds in zip(added, both, strict=True):
        turns = list(zip(alone, seconds, strict=True))
        result = results["localize", task]
        measured_on = (
            f"{result.source.duration_s:.0f} s of {result.source.width}x{result.source.height} ({content}),"
            f" {len(result.frames)} frames; {_TURNS} times by turns"
        )
        name = f"time that {task} adds to localize"
        if task == "detect":
            more = [100 * (both_s / alone_s - 1) for alone_s, both_s in turns]
            figures.append(Figure.over(name, more, "%", measured_on, most=15.0))
        else:
            measured_on += f"; stretches explained: {len(result.explanations or ())}"
            more = [both_s - alone_s for alone_s, both_s in turns]
            figures.append(Figure.over(name, more, "s", measured_on, most=1.0))
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
        run = partial(bundle.explain, *stretch, versions=versions)
        on = f"noise, {shape[0]} steps, versions: {count}"
        figures.append(_timed(f"explain graph, {name}", run, on=on, unit="ms", count=1))
    return figures


def _timed(name: str, run: Callable[[], object], *, on: str, unit: str, count: int) -> Figure:
    """Milliseconds for each of the `count` things that one run works on, after one run to warm up."""
    run()
    taken = []
    for _ in range(_REPEATS):
        started_s = time.perf_counter()
        run()
        taken.append(1000 * (time.perf_counter() - started_s) / count)
    return Figure.over(name, taken, unit, f"{on}; {_REPEATS} times")
