"""Synthetic clips: a bright square that moves over a dark picture, and tone bursts at given times.

Both are easy to find again, so that a test can say where and when something must be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

VIDEO_TICKS = 90_000
AUDIO_BLOCK = 1024
TONE_HZ = 1000.0

_X264 = {"preset": "ultrafast", "g": "15"}
ENCODER_OPTIONS: dict[str, dict[str, str]] = {
    "libx264": _X264,
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=1"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "8", "svtav1-params": "lp=1"},
}


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """What a synthetic clip is like.

    Attributes:
        container: file name suffix without the dot.
        video, audio: names of encoders; None leaves the stream out.
        size: coded width and height in pixels.
        fps, frames: rate and number of frames; 0 frames leave the video stream out.
        times_s: presentation time of each frame, instead of `fps` and `frames`.
        rotation_deg: clockwise rotation for display, written as side data.
        pix_fmt: of the encoder, for example yuv420p10le.
        pixel_aspect: width to height of a pixel.
        bursts: (start, length) of each tone in seconds, on the clock of the frames.
        audio_start_s: time of the first sound sample.
        audio_s: length of the sound; None makes it as long as the video.
        audio_gap_s: (start, end) between which the track has no packets at all.
        audio_rate_hz, channels: of the sound.
        encoder_options: for the video encoder, on top of fast ones.
        muxer_options: for the container, for example (("movflags", "faststart"),).
    """

    container: str = "mp4"
    video: str | None = "libx264"
    audio: str | None = "aac"
    size: tuple[int, int] = (160, 120)
    fps: int = 30
    frames: int = 60
    times_s: tuple[float, ...] | None = None
    rotation_deg: int = 0
    pix_fmt: str = "yuv420p"
    pixel_aspect: tuple[int, int] | None = None
    bursts: tuple[tuple[float, float], ...] = ((1.0, 0.1),)
    audio_start_s: float = 0.0
    audio_s: float | None = None
    audio_gap_s: tuple[float, float] | None = None
    audio_rate_hz: int = 48_000
    channels: int = 2
    encoder_options: tuple[tuple[str, str], ...] = ()
    muxer_options: tuple[tuple[str, str], ...] = ()

    @property
    def frame_times_s(self) -> Sequence[float]:
        return self.times_s if self.times_s is not None else [k / self.fps for k in range(self.frames)]

    @property
    def duration_s(self) -> float:
        times_s = self.frame_times_s
        return times_s[-1] + 1 / self.fps if times_s else 0.0


class ClipFactory:
    """Makes clips in one directory, each only once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __call__(self, **options: object) -> Path:
        """The path of a clip with these `ClipOptions`; do not change the file."""
        chosen = ClipOptions(**options)  # type: ignore[arg-type]
        name = hashlib.sha256(repr(chosen).encode()).hexdigest()[:16]
        path = self._directory / f"{name}.{chosen.container}"
        if not path.exists():
            write_clip(path, chosen)
        return path


def square_centre(time_s: float, duration_s: float) -> tuple[float, float]:
    """Where the square is in the coded picture, normalised: it goes from left to right above the middle."""
    return 0.2 + 0.6 * time_s / max(duration_s, 1e-6), 0.3


def find_square(image: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """Centre of what is bright in an RGB picture, normalised (x, y)."""
    rows, columns = np.nonzero(image.mean(axis=2) > 150)
    if not len(rows):
        raise AssertionError("there is no bright square in the picture")
    height, width = image.shape[:2]
    return float((columns.mean() + 0.5) / width), float((rows.mean() + 0.5) / height)


def find_burst(waveform: npt.NDArray[np.float32], start_s: float, rate_hz: int) -> float:
    """Time at which the first tone begins."""
    loud = np.nonzero(np.abs(waveform) > 0.1)[0]
    if not len(loud):
        raise AssertionError("there is no tone")
    return start_s + float(loud[0]) / rate_hz


def draw(size: tuple[int, int], centre: tuple[float, float]) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8: dark blue with a white square of a quarter of the shorter side."""
    width, height = size
    half = max(1, min(size) // 8)
    image = np.full((height, width, 3), (10, 10, 60), np.uint8)
    x, y = round(centre[0] * width), round(centre[1] * height)
    image[max(0, y - half) : y + half, max(0, x - half) : x + half] = 255
    return image


def tone(options: ClipOptions) -> npt.NDArray[np.float32]:
    """(channels, n) float32, silent but for the bursts."""
    length_s = options.audio_s if options.audio_s is not None else options.duration_s
    times_s = (
        options.audio_start_s + np.arange(round(length_s * options.audio_rate_hz)) / options.audio_rate_hz
    )
    sound = np.zeros(len(times_s))
    for start_s, burst_s in options.bursts:
        inside = (times_s >= start_s) & (times_s < start_s + burst_s)
        sound[inside] = 0.8 * np.sin(2 * np.pi * TONE_HZ * (times_s[inside] - start_s))
    return np.tile(sound.astype(np.float32), (options.channels, 1))


def write_clip(path: Path, options: ClipOptions) -> None:
    """Write a clip to `path`."""
    with av.open(str(path), "w", options=dict(options.muxer_options)) as container:
        packets = []
        if options.video is not None and options.frame_times_s:
            packets.append(_video_writer(container, options))
        if options.audio is not None:
            packets.append(_audio_writer(container, options))
        for write in packets:
            write()


def _video_writer(container: av.container.OutputContainer, options: ClipOptions) -> Callable[[], None]:
    stream = container.add_stream(options.video, rate=options.fps)
    stream.width, stream.height = options.size
    stream.pix_fmt = options.pix_fmt
    if options.container != "avi":  # which counts frames, not time
        stream.codec_context.time_base = Fraction(1, VIDEO_TICKS)
    stream.options = ENCODER_OPTIONS.get(str(options.video), {}) | dict(options.encoder_options)
    if options.pixel_aspect is not None:
        stream.codec_context.sample_aspect_ratio = Fraction(*options.pixel_aspect)
    if options.rotation_deg:
        stream.set_display_rotation(-options.rotation_deg)

    def write() -> None:
        for time_s in options.frame_times_s:
            frame = av.VideoFrame.from_ndarray(draw(options.size, square_centre(time_s, options.duration_s)))
            frame.pts = round(time_s * VIDEO_TICKS)
            frame.time_base = Fraction(1, VIDEO_TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    return write


def _audio_writer(container: av.container.OutputContainer, options: ClipOptions) -> Callable[[], None]:
    layout = "mono" if options.channels == 1 else "stereo"
    stream = container.add_stream(options.audio, rate=options.audio_rate_hz, layout=layout)

    def write() -> None:
        sound = tone(options)
        first = round(options.audio_start_s * options.audio_rate_hz)
        for start in range(0, sound.shape[1], AUDIO_BLOCK):
            time_s = options.audio_start_s + start / options.audio_rate_hz
            if options.audio_gap_s is not None and options.audio_gap_s[0] <= time_s < options.audio_gap_s[1]:
                continue
            block = np.ascontiguousarray(sound[:, start : start + AUDIO_BLOCK])
            frame = av.AudioFrame.from_ndarray(block, "fltp", layout)
            frame.sample_rate = options.audio_rate_hz
            frame.pts = first + start
            frame.time_base = Fraction(1, options.audio_rate_hz)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    return write
