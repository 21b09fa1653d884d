"""Made-up encodings for the tiny bundle: a bright block stands on black, red or cyan, and sounds like it.

A token is the colour of its cell, and the class map a softmax over the mean colour of each quarter. The block
is two cells high and wide, and moves from frame to frame.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from training.cache.encoding import Encoded
from training.data.examples import Facts
from training.loop.fitting import RunOptions
from training.methods.avdet.config import AvdetConfig
from training.methods.avdet.running import Request, Trained, train
from training.methods.localiser import Widths

GRID, FRAMES, EXTENT = 4, 2, 2
WIDTHS = Widths(token=3, sound=2, grid=GRID)
CLASS_MAP = (2, 2, 3)
COLOURS = {"red": (2, 0, 0), "cyan": (0, 1, 1)}
SMALL = {
    "clusters": 2,
    "heads": 3,
    "rounds": 1,
    "spread": 0.0,
    "width": 16,
    "blocks": 1,
    "dropout": 0.0,
    "rate": 0.02,
    "batch": 16,
    "radius": 0.9,
}
"""Values of the configuration under which the blocks are learned in a second."""

_EVENTS, _CLASSES = (70, 302), (151, 817)  # bark, horn of a vehicle; Chihuahua, sports car
Scene = tuple[Facts, Encoded]


def scene(
    number: int,
    *,
    loud: float = 0.9,
    marked: bool = True,
    sounding: bool = True,
    boxes: bool = True,
    class_map: bool = True,
    bridged: bool = False,
    **facts: Any,
) -> Scene:
    """An example of two frames with the plain and the mirrored view; its colour is `number` modulo 2.

    Args:
        loud: the largest event; nothing is heard below 0.1.
        marked: whether the block's box is known.
        sounding: whether it is known to make the sound.
        boxes, class_map: whether there are such arrays.
        bridged: with events and classes as the default bundle has them, and no label: red things bark and
            look like a dog, cyan ones honk and look like a car. Otherwise they are those of the tiny bundle.
    """
    rng = np.random.default_rng(number)
    colour = number % len(COLOURS)
    name = tuple(COLOURS)[colour]
    tokens = rng.uniform(0, 0.05, (FRAMES, GRID, GRID, 3))
    known = np.full((FRAMES, 1, 4), np.nan, np.float32)
    for frame, (row, column) in enumerate(rng.integers(0, GRID - EXTENT + 1, (FRAMES, 2))):
        tokens[frame, row : row + EXTENT, column : column + EXTENT] += COLOURS[name]
        if marked:
            known[frame, 0] = np.array([column, row, column + EXTENT, row + EXTENT]) / GRID
    looks = class_map_of(tokens)
    arrays = {
        "tokens": np.stack([tokens, tokens[:, :, ::-1]]).astype(np.float16),
        "class_map": np.stack([looks, looks[:, :, ::-1]]).astype(np.float16),
        "embedding": (np.eye(2)[colour] + rng.uniform(0, 0.1, (FRAMES, 2))).astype(np.float16),
        "events": np.tile(loud * np.eye(4)[0], (FRAMES, 1)).astype(np.float16),
        "judged": np.full(FRAMES, marked),
        "boxes": known,
        "box_sounding": np.full((FRAMES, 1), sounding and marked),
        "times_s": np.arange(FRAMES) / 2,
    }
    if bridged:
        arrays["events"] = np.tile(loud * np.eye(521)[_EVENTS[colour]], (FRAMES, 1)).astype(np.float16)
        looks = np.tile(0.8 * np.eye(1000)[_CLASSES[colour]], (2, FRAMES, 2, 2, 1))
        arrays["class_map"] = looks.astype(np.float16)
    if not boxes:
        del arrays["boxes"]
    if not class_map:
        del arrays["class_map"]
    judged = tuple(range(FRAMES)) if marked else ()
    encoded = Encoded(arrays, judged, has_sound=True, waveform_start_s=0.0, things=(name,) if boxes else ())
    given = {"labels": () if bridged else (name,), **facts}
    return Facts(f"block-{number}", **given), encoded


def class_map_of(tokens: np.ndarray) -> np.ndarray:
    """(N, 2, 2, 3), what the visual graph of the tiny bundle gives beside tokens (N, 4, 4, 3)."""
    quarters = np.exp(tokens.reshape(-1, 2, 2, 2, 2, 3).mean((2, 4)))
    return quarters / quarters.sum(-1, keepdims=True)


def blocks(n_train: int, n_val: int, **options: Any) -> list[Scene]:
    """Scenes to train on, whose boxes are not known, and marked ones to choose by."""
    unknown = {"marked": False, "split": "train"}
    train = [scene(number, **{**unknown, **options}) for number in range(n_train)]
    return train + [scene(number, split="val", **options) for number in range(n_train, n_train + n_val)]


def bright(tokens, class_map, events, embedding):
    """Marks what is bright as far as something is heard, as the tiny bundle does."""
    heat = (tokens.sum(axis=3) / 2.2).clip(0, 1) * events.max(axis=1)[:, None, None]
    return heat, heat.max(axis=(1, 2))


def listener(tokens, class_map, events, embedding):
    """Marks what has the colour that is heard."""
    wanted = embedding.round() @ np.array([[1, 0, 0], [0, 1, 1]])
    heat = np.einsum("nhwc,nc->nhw", tokens, wanted) / 2.2
    heat = heat.clip(0, 1) * events.max(axis=1)[:, None, None]
    return heat, heat.max(axis=(1, 2))


def train_blocks(cache: Path, out: Path, *, say: Callable[[str], None] = str) -> Trained:
    """A detector that knows the blocks of a cache."""
    config = AvdetConfig(**{**SMALL, "epochs": 4})
    run = RunOptions(out, config.epochs, devices=1, accelerator="cpu")
    return train(Request(config, (cache,), bright, run), say=say)
