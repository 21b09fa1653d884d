"""How many frames should be encoded in one run, and how many of them at the same time?"""

from __future__ import annotations

import math
import statistics
import time

import numpy as np

from app.bench.figures import Figure
from app.inference.bundle import Bundle, find_bundle, load_bundle
from app.inference.sessions import CPU, placements
from app.settings import InferenceSettings

Setting = tuple[int, int]  # frames in a run, and how many of them at the same time

_POWERS = (1, 2, 4, 8, 16, 32, 64)
_TURNS = 6


def batch_figures(settings: InferenceSettings) -> list[Figure]:
    """Milliseconds of the visual graph for a frame of noise: by frames in a run, as far as so many are held
    in memory (`chunk_frames`), and on the CPU by how many of those are encoded at the same time. The last
    figure holds the best of them against the settings in use."""
    in_use, bundles = _beside(settings)
    sizes = sorted({size for size in _POWERS if size <= settings.chunk_frames} | {settings.batch_frames})
    tried = [(size, streams) for streams in bundles for size in sizes if size >= streams]
    taken_ms: dict[Setting, list[float]] = {setting: [] for setting in {in_use: None, **dict.fromkeys(tried)}}
    for turn in range(_TURNS + 1):
        # There and back, so that no setting always follows the same one.
        for (size, streams), found in list(taken_ms.items())[:: -1 if turn % 2 else 1]:
            ms = _encode(bundles[streams], size, runs=math.ceil(sizes[-1] / size))
            if turn:  # the first one warms up
                found.append(ms)
    on = f"noise; {_TURNS} times by turns"
    figures = [
        Figure.over(f"visual graph, frames in a run: {size}, at a time: {streams}", found, "ms/frame", on)
        for (size, streams), found in taken_ms.items()
    ]
    best = min(taken_ms, key=lambda setting: statistics.median(taken_ms[setting]))
    gain = [old / new for old, new in zip(taken_ms[in_use], taken_ms[best], strict=True)]
    name = "visual graph, BATCH_FRAMES={}, STREAMS={} against {}, {}".format(*best, *in_use)
    return [*figures, Figure.over(name, gain, "x", on)]


def _beside(settings: InferenceSettings) -> tuple[Setting, dict[int, Bundle]]:
    """The setting in use, and the bundle loaded for each number of frames at a time."""
    bundle = load_bundle(find_bundle(settings.bundle, settings), settings)
    place = next(place for place in placements(settings) if place.provider == bundle.info.provider)
    bundles = {place.streams: bundle}
    if place.provider == CPU:
        for streams in _POWERS:
            if streams <= place.threads and streams not in bundles:
                other = settings.model_copy(update={"streams": streams})
                bundles[streams] = load_bundle(find_bundle(settings.bundle, other), other)
    return (settings.batch_frames, place.streams), bundles


def _encode(bundle: Bundle, size: int, *, runs: int) -> float:
    """Milliseconds for each frame of so many runs."""
    side = bundle.manifest.input_size
    frames = np.random.default_rng(0).integers(0, 256, (size, side, side, 3), np.uint8)
    started_s = time.perf_counter()
    for _ in range(runs):
        bundle.visual(frames)
    return 1000 * (time.perf_counter() - started_s) / (runs * size)
