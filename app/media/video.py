"""The picture half of the decode child: frames in display order with their times, and their conversion."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from app.media.geometry import Orientation
from app.media.probe import check_picture
from app.media.protocol import Budget

_CLOCK_SLACK_S = 1e-3  # containers round times to a millisecond
_ASSUMED_FPS = 25.0  # where nothing says how long a frame lasts
_TAIL_S = 0.5  # headers and content may differ by so much, or by a twentieth


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A decoded frame; `time_s` on the clock of its container, `index` counts frames in display order."""

    frame: VideoFrame
    time_s: float
    index: int


class VideoReader:
    """Decodes one stream within a budget.

    Attributes:
        step_s: how long a frame lasts that does not say so.
        first_s: when the first frame appears, in seconds on the clock of the container.
        length_s: from then until the last frame read so far disappears.
        n_damaged: packets that could not be decoded.
        broken: the demuxer gave up before the end of the file.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        *,
        fps: float,
        budget: Budget,
        on_work: Callable[[], None],
    ) -> None:
        """`fps` is the nominal rate, 0 if unknown; `on_work` is called after each packet."""
        self._container = container
        self._stream = stream
        self.step_s = 1.0 / (fps if fps > 0 else _ASSUMED_FPS)
        self._budget = budget
        self._on_work = on_work
        self._first_dts: int | None = None
        self._dts_delay: int | None = None
        self._last_s = -math.inf
        self._n_frames = 0
        self._n_pixels = 0
        self.first_s = 0.0
        self.length_s = 0.0
        self.n_damaged = 0
        self.broken = False

    def frames(self) -> Iterator[TimedFrame]:
        """All frames whose times increase. Raises LimitExceeded, MediaCorrupt and MemoryError."""
        for packet in self._packets():
            for frame in self._decode(packet):
                timed = self._admit(frame)
                if timed is not None:
                    yield timed
            self._on_work()

    def _packets(self) -> Iterator[Packet[VideoStream] | None]:
        try:
            for packet in self._container.demux(self._stream):
                if self._first_dts is None:
                    self._first_dts = packet.dts
                yield packet
        except (av.FFmpegError, EOFError, ValueError):
            self.broken = True
            yield None  # drains the decoder, as the empty last packet does otherwise

    def _decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        try:
            return self._stream.codec_context.decode(packet)
        except EOFError:
            return []
        except MemoryError:
            raise
        except (av.FFmpegError, ValueError):
            self.n_damaged += 1
            return []

    def _admit(self, frame: VideoFrame) -> TimedFrame | None:
        time_s = self._time_of(frame)
        if self._n_frames == 0:
            self.first_s = time_s
        self._n_frames += 1
        self._n_pixels += frame.width * frame.height
        self._check(frame, time_s - self.first_s)
        if time_s <= self._last_s:
            return None
        self._last_s = time_s
        base = float(frame.time_base) if frame.time_base else 0.0
        self.length_s = time_s - self.first_s + (frame.duration * base or self.step_s)
        return TimedFrame(frame, time_s, self._n_frames - 1)

    def _time_of(self, frame: VideoFrame) -> float:
        """Presentation time; decoding time less the reordering delay where there is none, as in AVI."""
        base = frame.time_base
        if base and frame.pts is not None:
            return float(frame.pts * base)
        if base and frame.dts is not None:
            if self._dts_delay is None:
                self._dts_delay = frame.dts - (self._first_dts if self._first_dts is not None else frame.dts)
            return float((frame.dts - self._dts_delay) * base)
        return self._last_s + self.step_s if self._n_frames else 0.0

    def _check(self, frame: VideoFrame, elapsed_s: float) -> None:
        budget = self._budget
        check_picture(frame.width, frame.height, budget=budget)
        if self._n_frames > budget.max_frames:
            raise budget.exceeded("max_frames", f"the clip has more than {budget.max_frames} frames")
        if self._n_pixels > budget.max_decoded_pixels:
            raise budget.exceeded(
                "max_decoded_pixels", f"the clip has more than {budget.max_decoded_pixels} pixels in all"
            )
        if elapsed_s > budget.max_duration_s:
            raise budget.exceeded(
                "max_duration_s", f"the clip is longer than {budget.max_duration_s:g} seconds"
            )
        if self._n_frames > budget.max_fps * (max(0.0, elapsed_s) + 1.0) + 1:
            raise budget.exceeded("max_fps", f"the clip has more than {budget.max_fps:g} frames per second")


class FrameClock:
    """Chooses frames by their time: for each k the first one at or after k / fps, none twice."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._due_s = 0.0

    def wants(self, time_s: float) -> bool:
        """Whether to take the frame at `time_s`; times must increase and begin at 0."""
        if time_s + _CLOCK_SLACK_S < self._due_s:
            return False
        self._due_s = (math.floor((time_s + _CLOCK_SLACK_S) * self._fps) + 1) / self._fps
        return True


class Painter:
    """Turns decoded frames of any size and pixel format into displayed RGB pictures of one size.

    One shared reformatter: a new one for each frame costs twice the time.
    """

    def __init__(self, width: int, height: int, *, orientation: Orientation) -> None:
        """`width` and `height` are those of the displayed picture, after turning."""
        self._size = (height, width) if orientation.swap else (width, height)
        self._orientation = orientation
        self._reformatter = VideoReformatter()

    def paint(self, frame: VideoFrame) -> npt.NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB, contiguous."""
        width, height = self._size
        small = self._reformatter.reformat(frame, width=width, height=height, format="rgb24", threads=1)
        return self._orientation.apply(small.to_ndarray().astype(np.uint8, copy=False))


@dataclass(frozen=True, slots=True)
class VideoHeader:
    """What the headers say about the length of a clip, 0 where they say nothing.

    Attributes:
        fps: average frames per second.
        duration_s: length in seconds.
        of_stream: `duration_s` is that of the picture; otherwise of the whole file, and the sound may be what
            lasts so long.
        n_frames: number of frames.
    """

    fps: float
    duration_s: float
    of_stream: bool
    n_frames: int


def read_header(container: InputContainer, stream: VideoStream) -> VideoHeader:
    """What is known about `stream` before anything is decoded."""
    rate = stream.average_rate or stream.guessed_rate
    fps = float(rate) if rate else 0.0
    if stream.duration and stream.time_base:
        return VideoHeader(fps, float(stream.duration * stream.time_base), True, stream.frames)
    tagged_s = _tag_seconds(stream.metadata.get("DURATION", ""))
    if tagged_s:
        start_s = (
            float(stream.start_time * stream.time_base) if stream.start_time and stream.time_base else 0.0
        )
        return VideoHeader(fps, max(0.0, tagged_s - start_s), True, stream.frames)
    return VideoHeader(fps, max(0.0, (container.duration or 0) / av.time_base), False, stream.frames)


def measure_duration_s(container: InputContainer, stream: AudioStream | VideoStream) -> float:
    """Length by the times of all packets, without decoding; recordings of browsers have no other."""
    first, last = math.inf, -math.inf
    try:
        for packet in container.demux(stream):
            if packet.pts is not None:
                first = min(first, packet.pts)
                last = max(last, packet.pts + (packet.duration or 0))
    except (av.FFmpegError, EOFError, ValueError):
        pass  # what was read until then counts
    return float((last - first) * stream.time_base) if last > first and stream.time_base else 0.0


def falls_short(length_s: float, expected_s: float) -> bool:
    """Whether content of `length_s` is clearly shorter than its headers say."""
    return expected_s - length_s > max(_TAIL_S, expected_s / 20)


def _tag_seconds(text: str) -> float:
    """Of a Matroska duration tag such as 00:00:02.500000000; 0 if it is none."""
    try:
        hours, minutes, seconds = (float(part) for part in text.split(":"))
    except ValueError:
        return 0.0
    total = hours * 3600 + minutes * 60 + seconds
    return total if math.isfinite(total) else 0.0
