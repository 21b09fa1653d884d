"""The result as NumPy arrays, for people who want the exact floats."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from app.results.model import Result


def write_npz(result: Result, stream: BinaryIO) -> None:
    """Write `time_s` (T,) float64 in seconds, `heatmap` (T, G, G) and `presence` (T,) float32 in [0, 1].

    The archive holds plain arrays only, so it loads with `allow_pickle=False`.
    """
    frames = result.frames
    np.savez_compressed(
        stream,
        time_s=np.asarray(frames.time_s, np.float64),
        heatmap=np.asarray(frames.heatmap, np.float32),
        presence=np.asarray(frames.presence, np.float32),
    )
