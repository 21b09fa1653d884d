"""Raw moments: frames and sound as they are, for training that changes the encoders themselves."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

# The rule by which a frame hears, and it must be the service's own.
from app.pipeline.encode import _windows_in_reach as windows_in_reach
from training.cache.index import CacheError
from training.cache.moments import Moment, moment_places
from training.cache.reading import Cache
from training.data.examples import Facts


class RawMoments(Dataset[Moment]):
    """The frames of a cache with `raw`, not encoded. With K the most windows that a frame can hear, each is a
    dict of

    * `frame` (S, S, 3) uint8;
    * `windows` (K, n) float32 in [-1, 1] at the rate of the audio graph, and `heard` (K,) bool, which of them
      there are: those that the service pools for this frame. The others are zero;
    * `cover`, `judged`, `has_sound`, `sounding`, `time_s`, `index` and `example` as in `Moments`.
    """

    def __init__(self, cache: Cache, *, judged_only: bool = False) -> None:
        """The moments of all examples of a cache, in their order. They are read when they are asked for.

        Raises CacheError if there is no moment, or the cache was made without `raw`.
        """
        if "raw" not in cache.fields:
            raise CacheError("the cache holds no frames: make it anew with --fields raw")
        self.cache = cache
        self._places = moment_places(cache, judged_only=judged_only)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def most_windows(self) -> int:
        """K: how many windows of the grid can have their centre within reach of a frame."""
        audio = self.cache.encoders.audio
        return 1 + int(audio.context_s * audio.sample_rate_hz + 1) // audio.hop_samples

    def __getitem__(self, index: int) -> Moment:
        example, frame = self._places[index]
        arrays = self.cache.arrays(example, ("frames", "waveform", "cover", "times_s"))
        record = self.cache.record(example)
        windows, heard = self._windows(arrays["waveform"], record.waveform_start_s, arrays["times_s"][frame])
        return {
            "frame": arrays["frames"][frame].clone(),
            "windows": windows,
            "heard": heard,
            "cover": arrays["cover"][0, frame].float(),
            "has_sound": heard.any(),
            "time_s": arrays["times_s"][frame].clone(),
            "judged": torch.tensor(frame in record.judged),
            "sounding": torch.tensor(record.facts.sounding),
            "index": torch.tensor(index),
            "example": torch.tensor(example),
        }

    def facts(self, index: int) -> Facts:
        """What is known of the example that a moment belongs to."""
        return self.cache.record(self._places[index][0]).facts

    def _windows(self, waveform: Tensor, start_s: float, time_s: Tensor) -> tuple[Tensor, Tensor]:
        audio = self.cache.encoders.audio
        windows = torch.zeros(self.most_windows, audio.window_samples)
        heard = torch.zeros(self.most_windows, dtype=torch.bool)
        offset = round(start_s * audio.sample_rate_hz)
        (starts,) = windows_in_reach(waveform.numpy(), start_s, np.array([float(time_s)]), audio)
        for row, start in enumerate(starts):
            piece = waveform[start - offset : start - offset + audio.window_samples]
            windows[row, : len(piece)] = piece
            heard[row] = True
        return windows, heard
