"""A clip as OpenCV reads it. OpenCV has no ear: PyAV brings the sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

_SLACK_S = 1e-3


def read_frames(path: Path, *, size: int, fps: float) -> Iterator[tuple[float, npt.NDArray[np.uint8]]]:
    """Times in seconds and RGB frames (size, size, 3): for each k the first frame at or after k / fps.

    A frame that is not wanted is decoded but not converted. Raises ValueError if there is no video.
    """
    capture = cv2.VideoCapture(str(path))
    rate = capture.get(cv2.CAP_PROP_FPS)
    if not rate:
        raise ValueError(f"OpenCV cannot read {path.name}")
    due_s, index = 0.0, 0
    while capture.grab():
        time_s = index / rate
        index += 1
        if time_s + _SLACK_S < due_s:
            continue
        due_s += 1 / fps
        _, picture = capture.retrieve()
        small = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
        yield time_s, np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)
    capture.release()


def read_sound(path: Path, *, rate_hz: int) -> npt.NDArray[np.float32]:
    """The whole sound track (M,), mono in [-1, 1]; empty if there is none."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
    blocks = [np.empty(0, np.float32)]
    with av.open(str(path)) as container:
        if container.streams.audio:
            decoded = (frame for frame in container.decode(audio=0))
            blocks += [part.to_ndarray()[0] for frame in decoded for part in resampler.resample(frame)]
            blocks += [part.to_ndarray()[0] for part in resampler.resample(None)]
    return np.concatenate(blocks)
