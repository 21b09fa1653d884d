"""Video encoding: pictures and sound to an MP4 that plays in browsers while it still downloads.

H.264 high profile in yuv420p, AAC, and the index in front (`+faststart`).
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

_CLOCK_HZ = 90_000  # ticks of the video track; frame times may be irregular
_STILL_FPS = 25.0  # nominal rate handed to the encoder when the source has none
_KEY_FRAME_EVERY_S = 2.0  # how far apart seeking can land
_BT709 = 1  # ISO/IEC 23091-2: primaries, transfer and matrix share this code
_SOUND_JITTER_S = 0.02  # coarse container clocks make block times jump by less than this
_SILENCE_BLOCK_S = 1.0


class YuvConverter:
    """RGB pictures to the encoder's pixels: yuv420p, BT.709, limited range.

    It holds one libswscale context for all frames; a context per frame costs twice the time.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def convert(self, image: npt.NDArray[np.uint8], pixel_format: str = "yuv420p") -> av.VideoFrame:
        """A new frame from an (H, W, 3) uint8 RGB picture, which must be C-contiguous."""
        return self._reformatter.reformat(
            av.VideoFrame.from_numpy_buffer(image, format="rgb24"),
            format=pixel_format,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )


class ClipWriter:
    """Writes one MP4 file. Use as a context manager; leaving it finishes the file.

    After an exception the file is closed but incomplete: the caller removes it (`app.results.replacing`).

    Args:
        path: where to write; an existing file is overwritten.
        width, height: of the pictures in pixels, both even.
        fps: nominal frame rate, used for rate control only; 0 if there is none.
        sound_rate_hz: sample rate of the sound that will be added; 0 for a silent file. A rate that AAC
            does not know is resampled.
        sound_channels: 1 or 2.
        crf: x264's constant quality, lower is better.
        preset: x264's trade of size for speed.
        threads: encoder threads; each holds a few frames in memory.

    Raises:
        ValueError: odd dimensions, or more than two channels.
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        fps: float,
        sound_rate_hz: int = 0,
        sound_channels: int = 0,
        crf: int = 23,
        preset: str = "veryfast",
        threads: int = 2,
    ) -> None:
        if width % 2 or height % 2:
            raise ValueError(f"yuv420p needs even dimensions, got {width}x{height}")
        if sound_rate_hz and sound_channels not in (1, 2):
            raise ValueError(f"one or two channels, got {sound_channels}")
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        fps = fps or _STILL_FPS
        self._video = _add_video(self._container, width, height, fps=fps, threads=threads)
        self._video.options = {
            "crf": str(crf),
            "preset": preset,
            "profile": "high",
            "g": str(max(1, round(fps * _KEY_FRAME_EVERY_S))),
        }
        self._last_tick = -1
        self._sound = _add_sound(self._container, sound_rate_hz, sound_channels) if sound_rate_hz else None
        self._sound_rate_hz = sound_rate_hz
        self._sound_channels = sound_channels
        self._next_sample = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._abandon()
            return
        try:
            self._container.mux(self._video.encode(None))
            if self._sound is not None:
                self._container.mux(self._sound.encode(None))
            self._container.close()
        except BaseException:
            self._abandon()
            raise

    def _abandon(self) -> None:
        # Closing writes the trailer, which can fail for the reason we are already leaving for.
        try:
            self._container.close()
        except (av.FFmpegError, OSError):
            return

    def add_frame(self, frame: av.VideoFrame, time_s: float) -> None:
        """Append a yuv420p frame (see `YuvConverter`) shown from `time_s` on.

        Times must not fall; two frames with the same time are set one tick apart.
        """
        tick = max(round(time_s * _CLOCK_HZ), self._last_tick + 1)
        self._last_tick = tick
        frame.pts = tick
        frame.time_base = Fraction(1, _CLOCK_HZ)
        self._container.mux(self._video.encode(frame))

    def add_sound(self, samples: npt.NDArray[np.float32], start_s: float) -> None:
        """Append (n, channels) float32 samples in [-1, 1] that begin at `start_s`.

        The track starts at 0: earlier samples are dropped, gaps are filled with silence, and samples that
        overlap what has been written are dropped.
        """
        start = round(start_s * self._sound_rate_hz)
        ahead = start - self._next_sample
        if abs(ahead) > _SOUND_JITTER_S * self._sound_rate_hz:
            self._fill_silence(ahead)
            samples = samples[max(0, -ahead) :]
        if len(samples):
            self._encode_sound(samples)

    def _fill_silence(self, n_samples: int) -> None:
        block = max(1, round(_SILENCE_BLOCK_S * self._sound_rate_hz))
        while n_samples > 0:
            n = min(block, n_samples)
            self._encode_sound(np.zeros((n, self._sound_channels), np.float32))
            n_samples -= n

    def _encode_sound(self, samples: npt.NDArray[np.float32]) -> None:
        if self._sound is None:
            raise ValueError("sound was added to a file that was opened without sound")
        planes = np.ascontiguousarray(samples.T)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=_LAYOUTS[self._sound_channels])
        frame.sample_rate = self._sound_rate_hz
        frame.time_base = Fraction(1, self._sound_rate_hz)
        frame.pts = self._next_sample
        self._next_sample += len(samples)
        self._container.mux(self._sound.encode(frame))


_LAYOUTS = {1: "mono", 2: "stereo"}
_BIT_RATES = {1: 96_000, 2: 160_000}


def _add_video(
    container: av.container.OutputContainer, width: int, height: int, *, fps: float, threads: int
) -> av.VideoStream:
    stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
    context = stream.codec_context
    context.width, context.height = width, height
    context.pix_fmt = "yuv420p"
    context.time_base = Fraction(1, _CLOCK_HZ)
    context.thread_count = threads
    # Without these tags players guess the matrix from the height and small clips change colour.
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = ColorRange.MPEG
    return stream


def _add_sound(container: av.container.OutputContainer, rate_hz: int, channels: int) -> av.AudioStream:
    known = av.Codec("aac", "w").audio_rates or [rate_hz]
    # The nearest rate that is not lower, so that nothing audible is lost; the encoder resamples to it.
    target = min((rate for rate in known if rate >= rate_hz), default=max(known))
    stream = container.add_stream("aac", rate=target, layout=_LAYOUTS[channels])
    stream.codec_context.bit_rate = _BIT_RATES[channels]
    return stream
