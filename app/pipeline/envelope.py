"""The envelope of a sound track, gathered chunk by chunk."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.media.clip import SAMPLE_RATE_HZ
from app.results.model import SoundLevel

RATE_HZ = 50
_SAMPLES_PER_BIN = SAMPLE_RATE_HZ // RATE_HZ


class Envelope:
    """Keeps the peak of every 20 ms. Pieces may overlap, as the waveforms of neighbouring chunks do."""

    def __init__(self) -> None:
        self._first: int | None = None  # the bin of self._peaks[0]; bin 0 begins at time 0
        self._peaks = np.zeros(1024, np.float32)
        self._count = 0

    def add(self, waveform: npt.NDArray[np.float32], start_s: float) -> None:
        """Add (M,) samples of which the first is heard at `start_s`; not before the first piece."""
        if not len(waveform):
            return
        offset = round(start_s * SAMPLE_RATE_HZ)
        first, into = divmod(offset, _SAMPLES_PER_BIN)
        # Bins are cut at fixed times, so the first and the last bin of a piece may be partly filled.
        cuts = np.arange(-into, len(waveform), _SAMPLES_PER_BIN).clip(min=0)
        peaks = np.maximum.reduceat(np.abs(waveform), cuts)
        if self._first is None:
            self._first = first
        begin = first - self._first
        end = begin + len(peaks)
        if end > len(self._peaks):
            # Doubling keeps the copying linear in the length of the clip.
            more = max(end - len(self._peaks), len(self._peaks))
            self._peaks = np.concatenate([self._peaks, np.zeros(more, np.float32)])
        self._count = max(self._count, end)
        np.maximum(self._peaks[begin:end], peaks, out=self._peaks[begin:end])

    def level(self) -> SoundLevel:
        """What has been gathered so far."""
        start_s = (self._first or 0) / RATE_HZ
        return SoundLevel(start_s, float(RATE_HZ), self._peaks[: self._count].copy())
