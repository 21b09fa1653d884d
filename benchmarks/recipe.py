"""The localiser frame by frame, as one would write it down: hear everything, then look at each frame."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.decoding import read_frames, read_sound

Floats = npt.NDArray[np.float32]

# What the networks were made for; tests/benchmarks holds them against the manifest of the bundle.
RATE_HZ, WINDOW, HOP = 16_000, 15_600, 7_680
REACH_S = 1.0
SILENCE = 494  # index among the 521 events


class Model(Protocol):
    """Attributes: frame_size: side of the frames it looks at, in pixels."""

    frame_size: int

    def hear(self, windows: Floats) -> Floats:
        """Windows of sound (W, 15600) to scores of events (W, 521)."""
        ...

    def locate(self, frame: npt.NDArray[np.uint8], events: Floats) -> tuple[Floats, float]:
        """A frame (S, S, 3) and the events (521,) heard around it to heatmap (16, 16) and presence."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """Times (T,) in seconds, heatmaps (T, 16, 16) and presence (T,)."""

    time_s: npt.NDArray[np.float64]
    heatmap: Floats
    presence: Floats

    def to_npz(self) -> bytes:
        """The arrays as `heatmaps.npz` of Earsight has them."""
        file = io.BytesIO()
        np.savez(file, time_s=self.time_s, heatmap=self.heatmap, presence=self.presence)
        return file.getvalue()

    @classmethod
    def from_npz(cls, content: bytes) -> Answer:
        with np.load(io.BytesIO(content)) as arrays:
            return cls(arrays["time_s"], arrays["heatmap"], arrays["presence"])


def localize(path: Path, model: Model, *, fps: float) -> Answer:
    """Where the sound of a clip comes from. The clip lasts at least as long as one window of sound."""
    sound = read_sound(path, rate_hz=RATE_HZ)
    starts = np.arange(0, len(sound) - WINDOW + 1, HOP)
    scores = model.hear(np.stack([sound[start : start + WINDOW] for start in starts]))
    scores = scores * (1 - scores[:, SILENCE, None])
    centres_s = (starts + WINDOW / 2) / RATE_HZ
    times_s, heatmaps, presence = [], [], []
    for time_s, frame in read_frames(path, size=model.frame_size, fps=fps):
        heard = np.abs(centres_s - time_s) <= REACH_S
        heatmap, present = model.locate(frame, scores[heard].max(0, initial=0))
        times_s.append(time_s)
        heatmaps.append(heatmap)
        presence.append(present)
    return Answer(np.array(times_s), np.stack(heatmaps), np.array(presence, np.float32))
