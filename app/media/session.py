"""One decode job inside the child: opens the files, and sends frames and sound in the order of time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import chain, count
from typing import IO, Literal

import numpy as np
import numpy.typing as npt

from app.errors import MediaCorrupt
from app.media import geometry, probe, video
from app.media.outlet import Outlet
from app.media.protocol import DecodeJob, Kind, SourceReport
from app.media.track import SoundTrack, open_own_track, open_separate_track

_IMAGE_FPS = 10.0  # of the displayed clip that a still image becomes


@dataclass(frozen=True, slots=True)
class _Picture:
    """What is the same for all frames: names, displayed size, size as sent, and how to get there."""

    kind: Literal["video", "image"]
    container: str
    codec: str
    width: int
    height: int
    frame_width: int
    frame_height: int
    orientation: geometry.Orientation

    def painter(self) -> video.Painter:
        return video.Painter(self.frame_width, self.frame_height, orientation=self.orientation)


class Session:
    """Runs one job."""

    def __init__(self, job: DecodeJob, out: Outlet) -> None:
        self._job = job
        self._out = out
        self._picture_file, self._sound_file = (_file(fd) for fd in job.media_fds)

    def run(self) -> None:
        """Send all of it. Raises MediaError, MemoryError and, if the parent has gone, BrokenPipeError."""
        form = probe.sniff_file(self._picture_file)
        if form.family is probe.Family.IMAGE:
            self._run_image(form)
        else:
            self._run_video(form)
        self._out.send(Kind.END, {})

    def _run_video(self, form: probe.Format) -> None:
        job = self._job
        container = probe.open_container(self._picture_file, form, budget=job.budget)
        stream = probe.video_stream(container, form)
        header = video.read_header(container, stream)
        if not header.duration_s:
            header = replace(header, duration_s=self._measure_s(form), of_stream=True)
        probe.check_header(stream, duration_s=header.duration_s, fps=header.fps, budget=job.budget)
        probe.open_decoder(stream, budget=job.budget, threads=job.threads)
        reader = video.VideoReader(
            container, stream, fps=header.fps, budget=job.budget, on_work=self._out.beat
        )
        frames = reader.frames()
        first = next(frames, None)
        if first is None:
            raise MediaCorrupt("no frame of the video could be decoded")
        aspect = float(stream.sample_aspect_ratio or 1)
        picture = self._picture("video", first, form, codec=probe.codec_name(stream), pixel_aspect=aspect)
        track = self._open_track(form, zero_s=reader.first_s)
        self._report(picture, track, duration_s=header.duration_s, fps=header.fps)
        self._send_frames(chain([first], frames), reader, picture.painter(), track)
        track.send_until(math.inf if job.whole_sound else reader.length_s + job.lead_s)
        self._report_faults(form, header, reader, track)

    def _run_image(self, form: probe.Format) -> None:
        job = self._job
        container = probe.open_container(self._picture_file, form, budget=job.budget)
        stream = probe.video_stream(container, form)
        probe.check_picture(stream.codec_context.width, stream.codec_context.height, budget=job.budget)
        probe.open_decoder(stream, budget=job.budget, threads=job.threads)
        reader = video.VideoReader(container, stream, fps=0.0, budget=job.budget, on_work=self._out.beat)
        first = next(reader.frames(), None)
        if first is None:
            raise MediaCorrupt("the image cannot be decoded")
        # The pixel aspect ratio of an image is a note for printers; nothing displays by it.
        picture = self._picture("image", first, form, codec=probe.codec_name(stream), pixel_aspect=1.0)
        track = self._open_track(form, zero_s=0.0)
        self._report(picture, track, duration_s=track.duration_s, fps=0.0)
        self._repeat(picture.painter().paint(first.frame), track)
        track.send_until(math.inf)
        track.report_damage()

    def _measure_s(self, form: probe.Format) -> float:
        """Length of a clip whose headers do not tell, from a pass over its packets."""
        container = probe.open_container(self._sound_file, form, budget=self._job.budget)
        stream = probe.video_stream(container, form)
        duration_s = video.measure_duration_s(container, stream)
        container.close()
        self._sound_file.seek(0)
        return duration_s

    def _picture(
        self,
        kind: Literal["video", "image"],
        first: video.TimedFrame,
        form: probe.Format,
        *,
        codec: str,
        pixel_aspect: float,
    ) -> _Picture:
        frame, side = first.frame, self._job.square
        turn = geometry.orientation_of(frame)
        size = geometry.displayed_size(frame.width, frame.height, pixel_aspect=pixel_aspect, orientation=turn)
        sent = (side, side) if side else geometry.fit_even(*size, max_side=self._job.max_side)
        return _Picture(kind, form.aliases, codec, *size, *sent, orientation=turn)

    def _open_track(self, form: probe.Format, *, zero_s: float) -> SoundTrack:
        job = self._job
        if job.sound_fd >= 0:
            return open_separate_track(_file(job.sound_fd), job=job, out=self._out)
        if form.family is probe.Family.IMAGE:
            return SoundTrack(self._out)
        return open_own_track(self._sound_file, form, job=job, zero_s=zero_s, out=self._out)

    def _report(self, picture: _Picture, track: SoundTrack, *, duration_s: float, fps: float) -> None:
        report = SourceReport(
            kind=picture.kind,
            width=picture.width,
            height=picture.height,
            rotation_deg=picture.orientation.rotation_deg,
            duration_s=duration_s,
            fps=fps,
            container=picture.container,
            video_codec=picture.codec,
            audio_codec=track.codec,
            frame_width=picture.frame_width,
            frame_height=picture.frame_height,
            sound_rate_hz=track.rate_hz,
            sound_channels=track.channels,
        )
        self._out.send(Kind.SOURCE, asdict(report))

    def _send_frames(
        self,
        frames: Iterator[video.TimedFrame],
        reader: video.VideoReader,
        painter: video.Painter,
        track: SoundTrack,
    ) -> None:
        clock = video.FrameClock(self._job.fps)
        for timed in frames:
            time_s = timed.time_s - reader.first_s
            if clock.wants(time_s):
                track.send_until(time_s + self._job.lead_s)
                self._send_frame(time_s, timed.index, painter.paint(timed.frame))

    def _repeat(self, image: npt.NDArray[np.uint8], track: SoundTrack) -> None:
        """The image once, and then again and again for as long as there is sound."""
        fps = self._job.fps if self._job.square else min(self._job.fps, _IMAGE_FPS)
        for index in count():
            time_s = index / fps
            track.send_until(time_s + self._job.lead_s)
            if index and track.done and time_s >= track.end_s:
                return
            self._send_frame(time_s, index, image if index == 0 else None)

    def _send_frame(self, time_s: float, index: int, image: npt.NDArray[np.uint8] | None) -> None:
        meta = {"time_s": time_s, "index": index, "repeat": image is None}
        self._out.send(Kind.FRAME, meta, image)

    def _report_faults(
        self, form: probe.Format, header: video.VideoHeader, reader: video.VideoReader, track: SoundTrack
    ) -> None:
        length_s = reader.length_s
        if not header.of_stream:
            length_s = max(length_s, track.end_s) if track.done else header.duration_s
        short = video.falls_short(length_s, header.duration_s)
        if form.name == "avi":  # FFmpeg shortens the duration to what the file can hold, not the frame count
            short = short or video.falls_short(reader.length_s, header.n_frames * reader.step_s)
        if short or reader.broken:
            self._out.notice(
                "truncated", f"the file ends early: {reader.length_s:.1f} s could be decoded and were used"
            )
        if reader.n_damaged:
            self._out.notice("damaged", f"{reader.n_damaged} packets of the video could not be decoded")
        track.report_damage()


def _file(fd: int) -> IO[bytes]:
    return open(fd, "rb", buffering=0)
