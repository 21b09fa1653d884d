"""The sound track of a job: found in the clip or in a separate file, and sent ahead of the picture."""

from __future__ import annotations

from typing import IO

import av

from app.errors import MediaCorrupt, MediaError, UnsupportedMedia
from app.media import probe
from app.media.audio import SoundReader, native_sound
from app.media.outlet import Outlet
from app.media.protocol import DecodeJob, Kind
from app.media.video import measure_duration_s

_ESTIMATED = ("mp3", "aac")  # FFmpeg guesses the length of these from the bit rate


class SoundTrack:
    """Sends the sound of one reader, or nothing.

    Attributes:
        codec: FFmpeg's name of the codec, None without sound.
        duration_s: length by the headers of a separate sound file, 0 if there is none.
    """

    def __init__(
        self,
        out: Outlet,
        *,
        reader: SoundReader | None = None,
        codec: str | None = None,
        duration_s: float = 0.0,
    ) -> None:
        self._out = out
        self._reader = reader
        self.codec = codec
        self.duration_s = duration_s

    @property
    def rate_hz(self) -> int:
        return self._reader.rate_hz if self._reader is not None else 0

    @property
    def channels(self) -> int:
        return self._reader.channels if self._reader is not None else 0

    @property
    def end_s(self) -> float:
        """How far the sound was read, on the displayed clock; 0 without sound."""
        return self._reader.next_sample / self._reader.rate_hz if self._reader is not None else 0.0

    @property
    def done(self) -> bool:
        """Whether it was read to its end."""
        return self._reader is None or self._reader.done

    def send_until(self, time_s: float) -> None:
        """Send what is heard before `time_s` and was not sent yet. Raises LimitExceeded."""
        reader = self._reader
        while reader is not None and not reader.done and reader.next_sample < time_s * reader.rate_hz:
            block = reader.read()
            if block is not None:
                self._out.send(Kind.SOUND, {"start": block[0]}, block[1])

    def report_damage(self) -> None:
        if self._reader is not None and self._reader.n_damaged:
            self._out.notice(
                "sound_damaged", f"{self._reader.n_damaged} packets of the sound could not be decoded"
            )


def open_own_track(
    file: IO[bytes], form: probe.Format, *, job: DecodeJob, zero_s: float, out: Outlet
) -> SoundTrack:
    """The track inside the clip. One that cannot be used is left out, with a notice."""
    try:
        container = probe.open_container(file, form, budget=job.budget)
        if not container.streams.audio:
            return SoundTrack(out)
        return _track(container, job=job, zero_s=zero_s, out=out)
    except (UnsupportedMedia, MediaCorrupt) as error:
        out.notice("sound_unusable", f"the sound track was left out: {error.detail}")
        return SoundTrack(out)


def open_separate_track(file: IO[bytes], *, job: DecodeJob, out: Outlet) -> SoundTrack:
    """The track of a separate sound file, whose beginning is put at time 0.

    Raises:
        UnsupportedMedia, MediaCorrupt, NoAudioStream: it cannot be used.
        LimitExceeded: it is longer than a clip may be.
    """
    try:
        form = probe.sniff_file(file)
        if form.family is probe.Family.IMAGE:
            raise UnsupportedMedia("it is an image")
        container = probe.open_container(file, form, budget=job.budget)
        duration_s = max(0.0, (container.duration or 0) / av.time_base)
        if form.name in _ESTIMATED:
            duration_s = measure_duration_s(container, probe.audio_stream(container))
            file.seek(0)
            container = probe.open_container(file, form, budget=job.budget)
        if duration_s > job.budget.max_duration_s:
            raise job.budget.exceeded("max_duration_s", f"it is {duration_s:.0f} s long")
        zero_s = (container.start_time or 0) / av.time_base
        return _track(container, job=job, zero_s=zero_s, out=out, duration_s=duration_s)
    except MediaError as error:
        detail = f"the separate sound file cannot be used: {error.detail}"
        raise type(error)(detail, limit=error.limit, setting=error.setting) from error


def _track(
    container: av.container.InputContainer,
    *,
    job: DecodeJob,
    zero_s: float,
    out: Outlet,
    duration_s: float = 0.0,
) -> SoundTrack:
    stream = probe.audio_stream(container)
    probe.open_decoder(stream, budget=job.budget, threads=1)
    rate_hz, channels = native_sound(stream)
    reader = SoundReader(
        container,
        stream,
        rate_hz=job.sound_rate_hz or rate_hz,
        channels=job.sound_channels or channels,
        zero_s=zero_s,
        lead_s=job.lead_s,
        budget=job.budget,
    )
    if not reader.prime():
        raise MediaCorrupt("no sound could be decoded")
    return SoundTrack(out, reader=reader, codec=probe.codec_name(stream), duration_s=duration_s)
