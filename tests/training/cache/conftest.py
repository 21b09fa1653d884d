"""Made-up examples for the tiny bundle: a white square that stands in one cell, and a tone."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from app.errors import MediaCorrupt
from training.cache.encoding import ExampleEncoder, Recipe
from training.data.examples import Facts, Footage, Visible

SIZE, RATE_HZ = 32, 16_000


@dataclass
class MadeExample:
    """`n_frames` frames with the square in `cell` (row, column) of 4 x 4, and a tone all the time.

    `event` says what happens when it is decoded: nothing, a `corrupt` file, a full `disk`, or Ctrl-C.
    """

    facts: Facts
    cell: tuple[int, int] = (1, 2)
    n_frames: int = 4
    judged: tuple[int, ...] = (2,)
    sound: bool = True
    event: str = ""
    things: tuple[Visible, ...] = ()
    asked: list[tuple[int, float]] = field(default_factory=list)

    def footage(self, *, size: int, fps: float) -> Footage:
        self.asked.append((size, fps))
        if self.event == "corrupt":
            raise MediaCorrupt(f"{self.facts.id}.mp4 is cut short")
        if self.event == "disk":
            raise OSError(28, "No space left on device", f"{self.facts.id}.tmp")
        if self.event == "ctrl-c":
            os.kill(os.getpid(), signal.SIGINT)
        row, column = self.cell
        frames = np.zeros((self.n_frames, size, size, 3), np.uint8)
        frames[:, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] = 255
        truth = np.zeros((self.n_frames, 224, 224), np.float32)
        judged = np.zeros(self.n_frames, bool)
        judged[list(self.judged)] = True
        truth[judged, row * 56 : row * 56 + 56, column * 56 : column * 56 + 56] = 1
        times_s = np.arange(self.n_frames) / fps + 0.25
        seconds = np.arange(int(self.n_frames / fps * RATE_HZ)) / RATE_HZ
        wave = (0.6 * np.sin(2 * np.pi * 500 * seconds)).astype(np.float32)
        return Footage(frames, times_s, wave if self.sound else wave[:0], 0.0, truth, judged, self.things)


@pytest.fixture
def example() -> Callable[..., MadeExample]:
    def make(example_id: str, *, split: str = "train", **options: object) -> MadeExample:
        return MadeExample(Facts(id=example_id, labels=("Tone",), split=split), **options)

    return make


@pytest.fixture
def encoder(tiny_bundle) -> Callable[..., ExampleEncoder]:
    def make(**recipe: object) -> ExampleEncoder:
        return ExampleEncoder(tiny_bundle, Recipe(**recipe))

    return make
