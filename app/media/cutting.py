"""Cutting a clip, in the decode child: an outline of it without pictures, or the pictures of a part of it.

An outline says when each frame comes, as its packets have it, and from which key frame it can be decoded.
Nothing is decoded but the first frame. A file whose frames are not what its packets say is found out when
its parts are decoded: their times and indices are not those of the outline then.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice, pairwise
from typing import Any, NamedTuple

from av import FFmpegError
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from app.errors import MediaCorrupt, UnsupportedMedia
from app.media import probe, video
from app.media.outlet import Outlet
from app.media.protocol import DecodeJob, Kind, Part, Start
from app.media.session import Session
from app.media.track import SoundTrack


def session_of(job: DecodeJob, out: Outlet) -> Session:
    """What carries out a job."""
    if job.part is not None:
        return _PartSession(job, out, job.part)
    return _OutlineSession(job, out) if job.outline else Session(job, out)


class _Packet(NamedTuple):
    """What an outline needs of a packet; `ends` is when its frame disappears, in units of the stream."""

    pts: int
    ends: int
    is_key: bool
    is_shown: bool


@dataclass(frozen=True, slots=True)
class _Frames:
    """What the packets say of the frames.

    Attributes:
        times_s: of all frames in the order of display, from 0.
        starts: by rising index; the first one is the first frame.
        length_s: until the last frame disappears.
    """

    times_s: list[float]
    starts: list[Start]
    length_s: float

    def start_of(self, index: int) -> Start:
        return self.starts[bisect_right(self.starts, index, key=lambda start: start.index) - 1]


class _OutlineSession(Session):
    """Refuses, as media that it does not support, what had better be decoded in one go."""

    def _run_image(self, form: probe.Format) -> None:  # noqa: ARG002 - as its base
        raise _uncuttable("it is an image")

    def _picture(self, *args: Any, **kwargs: Any) -> Any:
        return replace(super()._picture(*args, **kwargs), frame_width=0, frame_height=0)

    def _send_frames(
        self,
        frames: Iterator[video.TimedFrame],  # noqa: ARG002 - as its base
        reader: video.VideoReader,
        painter: video.Painter,  # noqa: ARG002 - as its base
        track: SoundTrack,
    ) -> None:
        outline = self._outline(reader)
        reader.length_s = outline.length_s
        clock = video.FrameClock(self._job.fps)
        for index, time_s in enumerate(outline.times_s):
            if clock.wants(time_s):
                track.send_until(time_s + self._job.lead_s)
                start = asdict(outline.start_of(index))
                self._out.send(Kind.FRAME, {"time_s": time_s, "index": index, "start": start})

    def _report_faults(
        self, form: probe.Format, header: video.VideoHeader, reader: video.VideoReader, track: SoundTrack
    ) -> None:
        # A frame may last a little longer than its packet says.
        if form.name == "avi" or video.falls_short(reader.length_s - reader.step_s, header.duration_s):
            raise _uncuttable("its headers promise more than there is")
        track.report_damage()

    def _outline(self, reader: video.VideoReader) -> _Frames:
        form = probe.sniff_file(self._picture_file)
        container = probe.open_container(self._picture_file, form, budget=self._job.budget)
        stream = probe.video_stream(container, form)
        packets, base = list(self._packets(container, stream)), stream.time_base
        shown = sorted(packet.pts for packet in packets if packet.is_shown)
        if not base or not shown or float(shown[0] * base) != reader.first_s:
            raise _uncuttable("its first frame does not come first")
        if any(one == other for one, other in pairwise(shown)):
            raise _uncuttable("some of its frames come at the same time")
        times_s = [float(pts * base) - reader.first_s for pts in shown]
        self._check(times_s, stream)
        last = max(packet for packet in packets if packet.is_shown)
        length_s = times_s[-1] + (float((last.ends - last.pts) * base) or reader.step_s)
        return _Frames(times_s, list(_starts(packets, shown, reader.first_s)), length_s)

    def _packets(self, container: InputContainer, stream: VideoStream) -> Iterator[_Packet]:
        try:
            for packet in container.demux(stream):
                if not packet.size:  # the one after the last
                    return
                if packet.pts is None:
                    raise _uncuttable("some of its frames have no time")
                ends = packet.pts + (packet.duration or 0)
                yield _Packet(packet.pts, ends, packet.is_keyframe, not packet.is_discard)
                self._out.beat()
        except (FFmpegError, EOFError, ValueError) as error:
            raise _uncuttable("it is damaged") from error

    def _check(self, times_s: list[float], stream: VideoStream) -> None:
        """Raises if a limit is exceeded; which one, and where, is left to the decoding in one go."""
        budget, n_frames = self._job.budget, len(times_s)
        size = stream.codec_context.width * stream.codec_context.height
        too_many = n_frames > budget.max_frames or n_frames * size > budget.max_decoded_pixels
        too_fast = any(
            count > budget.max_fps * (time_s + 1) + 1 for count, time_s in enumerate(times_s, start=1)
        )
        if too_many or too_fast or times_s[-1] > budget.max_duration_s:
            raise _uncuttable("it exceeds a limit")


def _starts(packets: list[_Packet], shown: list[int], zero_s: float) -> Iterator[Start]:
    """The key frames before which nothing is decoded that is shown later."""
    latest = -math.inf
    for number, packet in enumerate(packets):
        if packet.is_shown:
            if packet.is_key and packet.pts > latest:
                yield Start(number, packet.pts, bisect_left(shown, packet.pts), zero_s)
            latest = max(latest, packet.pts)


class _PartSession(Session):
    """Decodes a part of the picture. It takes the packets from the beginning and leaves out those before the
    key frame, for that costs next to nothing, and no two containers agree on how to seek."""

    def __init__(self, job: DecodeJob, out: Outlet, part: Part) -> None:
        super().__init__(job, out)
        self._part = part

    def _run_video(self, form: probe.Format) -> None:
        job = self._job
        container = probe.open_container(self._picture_file, form, budget=job.budget)
        stream = probe.video_stream(container, form)
        header = video.read_header(container, stream)
        probe.open_decoder(stream, budget=job.budget, threads=job.threads)
        reader = _PartReader(self._part, container, stream, fps=header.fps, job=job, out=self._out)
        self._send_part(reader, form, stream)
        if reader.n_damaged or reader.broken:
            raise MediaCorrupt("the part is damaged")

    def _send_part(self, reader: _PartReader, form: probe.Format, stream: VideoStream) -> None:
        clock, painter = video.FrameClock(self._job.fps), None
        for timed in reader.frames():
            if painter is None:
                aspect = float(stream.sample_aspect_ratio or 1)
                codec = probe.codec_name(stream)
                picture = self._picture("video", timed, form, codec=codec, pixel_aspect=aspect)
                self._report(picture, SoundTrack(self._out), duration_s=0.0, fps=0.0)
                painter = picture.painter()
            time_s = timed.time_s - reader.first_s
            if timed.index >= self._part.first and clock.wants(time_s):
                self._send_frame(time_s, timed.index, painter.paint(timed.frame))
            if timed.index == self._part.last:
                return


class _PartReader(video.VideoReader):
    """Reads from the key frame of a part on, as if it had read what comes before."""

    def __init__(
        self,
        part: Part,
        container: InputContainer,
        stream: VideoStream,
        *,
        fps: float,
        job: DecodeJob,
        out: Outlet,
    ) -> None:
        super().__init__(container, stream, fps=fps, budget=job.budget, on_work=out.beat)
        self._start = part.start
        self.first_s = part.start.zero_s
        self._n_frames = part.start.index

    def _packets(self) -> Iterator[Packet[VideoStream] | None]:
        return islice(super()._packets(), self._start.packet, None)

    def _admit(self, frame: VideoFrame) -> video.TimedFrame | None:
        if frame.pts is None:
            raise MediaCorrupt("a frame of the part has no time")
        if frame.pts < self._start.pts:  # it needs pictures from before the key frame
            return None
        return super()._admit(frame)


def _uncuttable(reason: str) -> UnsupportedMedia:
    return UnsupportedMedia(f"the clip cannot be cut: {reason}")
