"""Made-up frames and encodings as wide as those of the default bundle, so that the guided localiser reads
them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tests.training.methods.made_scenes import ENCODERS
from training.cache.encoding import Encoded
from training.cache.index import CacheKey
from training.cache.writing import CacheWriter
from training.data.examples import Facts, Split

GRID = 16
Scene = tuple[Facts, Encoded]

_BARK, _DOG = 70, 151  # an event and a class that goes with it


def scene(number: int, split: Split, *, sound: bool = True, known: bool = True) -> Scene:
    """An example of two frames and the plain view: a white square, which barks and looks like a dog."""
    rng = np.random.default_rng(number)
    frames = np.zeros((2, 32, 32, 3), np.uint8)
    cover = np.zeros((1, 2, GRID, GRID))
    class_map = np.full((1, 2, 2, 2, 1000), 1e-4)
    for frame, (row, column) in enumerate(rng.integers(0, 2, (2, 2))):
        frames[frame, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = 255
        cover[0, frame, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 1
        class_map[0, frame, row, column, _DOG] = 0.9
    tokens = rng.normal(0, 1, (1, 2, GRID, GRID, 384))
    events = np.zeros((2, 521))
    events[:, _BARK] = 0.9 * sound
    arrays = {
        "tokens": tokens.astype(np.float16),
        "cover": cover.astype(np.float16),
        "class_map": class_map.astype(np.float16),
        "embedding": np.full((2, 4), float(sound), np.float16),
        "events": events.astype(np.float16),
        "judged": np.full(2, known),
        "has_sound": np.full(2, sound),
        "times_s": np.arange(2) / 2,
        "frames": frames,
        "waveform": np.zeros(0, np.float32),
    }
    facts = Facts(f"{split}-{number}", labels=("dog",), split=split)
    return facts, Encoded(arrays, (0, 1) if known else (), has_sound=sound, waveform_start_s=0.0)


def write_views(
    directory: Path, made: Iterable[Scene], *, fields: tuple[str, ...] = ("class_map", "raw")
) -> Path:
    """Write a cache of scenes and return its directory."""
    encoders = ENCODERS.model_copy(update={"grid": (GRID, GRID)})
    key = CacheKey(encoders=encoders, fps=2, max_frames=2, views=0, fields=fields, source={})
    with CacheWriter(directory, key, bundle="made up") as writer:
        for facts, encoded in made:
            writer.add(facts, encoded)
    return directory
