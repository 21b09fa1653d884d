"""Made-up encodings: every picture shows two things of different kinds, and one of the two is heard.

A token is noise, plus the axis of a kind in the cell where a thing of that kind stands. So sight alone points
right half of the time at best, and the sound decides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.inference.manifest import AudioSpec
from training.cache.encoding import Encoded
from training.cache.index import CacheKey, EncoderKey
from training.cache.writing import CacheWriter
from training.data.examples import Facts
from training.loop.checkpoint import Circumstances, write_circumstances
from training.methods.localiser import AudioVisualLocaliser, Widths

KINDS, GRID, FRAMES = 6, 4, 2
WIDTHS = Widths(token=32, sound=4 * KINDS, grid=GRID)
ENCODERS = EncoderKey(
    graphs={},
    input_size=32,
    grid=(GRID, GRID),
    audio=AudioSpec(sample_rate_hz=16_000, window_samples=3200, hop_samples=1600, context_s=0.4),
    silence=None,
)

Scene = tuple[Facts, Encoded]


def scene(
    number: int,
    *,
    kinds: int = KINDS,
    width: int = WIDTHS.token,
    loud: float = 0.9,
    judged: bool = True,
    **facts: Any,
) -> Scene:
    """An example of two frames, whose things move; the kind that is heard is `number` modulo `kinds`.

    With `loud` 0 nothing is heard in it. Beside the plain view there is the mirrored one.
    """
    rng = np.random.default_rng(number)
    kind = number % kinds
    shown = kind, (kind + rng.integers(1, kinds)) % kinds
    tokens = rng.normal(0, 0.3, (FRAMES, GRID**2, width))
    cover = np.zeros((FRAMES, GRID**2))
    for frame in range(FRAMES):
        cells = rng.choice(GRID**2, 2, replace=False)
        tokens[frame, cells, shown] += 3
        cover[frame, cells[0]] = 1
    tokens, cover = tokens.reshape(FRAMES, GRID, GRID, width), cover.reshape(FRAMES, GRID, GRID)
    sound = 3 * np.tile(np.eye(kinds)[kind], 4)
    arrays = {
        "tokens": np.stack([tokens, tokens[:, :, ::-1]]).astype(np.float16),
        "cover": np.stack([cover, cover[:, :, ::-1]]).astype(np.float16),
        "class_map": rng.dirichlet(np.ones(3), (2, FRAMES, 2, 2)).astype(np.float16),
        "embedding": (sound + rng.uniform(0, 0.2, (FRAMES, 4 * kinds))).astype(np.float16),
        "events": np.tile(loud * np.eye(kinds + 1)[kind], (FRAMES, 1)).astype(np.float16),
        "judged": np.full(FRAMES, judged),
        "has_sound": np.full(FRAMES, True),
        "times_s": np.arange(FRAMES) / 2,
    }
    known = tuple(range(FRAMES)) if judged else ()
    given = {"labels": (f"kind {kind}",), **facts}
    return Facts(f"scene-{number}", **given), Encoded(arrays, known, has_sound=True, waveform_start_s=0.0)


def scenes(n_train: int, n_val: int, **options: Any) -> list[Scene]:
    """Scenes to train on, and others to choose by."""
    splits = ["train"] * n_train + ["val"] * n_val
    return [scene(number, split=split, **options) for number, split in enumerate(splits)]


def write_scenes(directory: Path, made: Iterable[Scene], *, class_map: bool = True) -> Path:
    """Write a cache of scenes and return its directory."""
    fields = ("class_map",) if class_map else ()
    key = CacheKey(encoders=ENCODERS, fps=2, max_frames=FRAMES, views=1, fields=fields, source={})
    with CacheWriter(directory, key, bundle="made up") as writer:
        for facts, encoded in made:
            writer.add(facts, encoded)
    return directory


def save_untrained(module: AudioVisualLocaliser, path: Path, *, method: str | None = None) -> Path:
    """Write the checkpoint that `fit` would write of a module as it is, and return its path."""
    settings: dict[str, Any] = dict(module.hparams)
    run = Circumstances(module.method, settings["config"], seed=0, n_train=2, batch=2, n_processes=1)
    content = {"state_dict": module.state_dict(), "hyper_parameters": settings}
    write_circumstances(dataclasses.replace(run, method=method or module.method), content)
    torch.save(content, path)
    return path
