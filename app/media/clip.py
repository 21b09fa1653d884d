"""What decoding yields: the facts about a source, and its frames and sound, whole or in chunks.

The clock is the displayed timeline: 0 is the first displayed video frame, unit seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ = 16_000


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """Facts about the input, measured by the decode child.

    Attributes:
        kind: a moving clip, or a still image.
        width, height: displayed size in pixels, after rotation and pixel aspect ratio.
        rotation_deg: clockwise rotation that was applied for display, one of 0, 90, 180, 270.
        duration_s: length of the displayed timeline in seconds.
        fps: average frame rate of the source; 0 for an image.
        container: FFmpeg's name of the container, for example `mov,mp4,m4a,3gp,3g2,mj2`.
        video_codec, audio_codec: FFmpeg's names; `audio_codec` is None without a sound track.
        has_audio: whether any sound was found, in the file or in a separate audio file.
        size_bytes, sha256: of the file as it was received (the video or image, not the separate audio).
    """

    kind: Literal["video", "image"]
    width: int
    height: int
    rotation_deg: int
    duration_s: float
    fps: float
    container: str
    video_codec: str
    audio_codec: str | None
    has_audio: bool
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ClipChunk:
    """A few seconds of a clip. Chunks of a clip follow each other without gaps or repeated frames.

    Attributes:
        frames: (N, S, S, 3) uint8 RGB; the whole displayed frame squashed to a square.
        frame_times_s: (N,) float64, presentation time of each frame that was taken.
        frame_indices: (N,) int64, index of that frame in the source, counting from 0.
        waveform: (M,) float32 mono in [-1, 1] at 16 kHz. It covers the frames plus the context that was
            asked for on both sides, as far as the sound track goes; silence is filled in where it starts
            late or has gaps. Empty when there is no sound.
        waveform_start_s: time of `waveform[0]` on the displayed timeline (may be negative).
    """

    frames: npt.NDArray[np.uint8]
    frame_times_s: npt.NDArray[np.float64]
    frame_indices: npt.NDArray[np.int64]
    waveform: npt.NDArray[np.float32]
    waveform_start_s: float


@dataclass(frozen=True, slots=True)
class Clip:
    """A whole clip in memory, for training, evaluation and tests. Arrays as in `ClipChunk`.

    `audio_offset_s` is the time of `waveform[0]` on the displayed timeline.
    """

    frames: npt.NDArray[np.uint8]  # (T, S, S, 3)
    frame_times_s: npt.NDArray[np.float64]  # (T,)
    frame_indices: npt.NDArray[np.int64]  # (T,)
    waveform: npt.NDArray[np.float32]  # (N,)
    audio_offset_s: float
    source: SourceInfo
