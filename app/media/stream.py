"""A clip as the models see it: squashed frames at a few per second, and mono sound at 16 kHz, in chunks."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from app.errors import InternalError, MediaCorrupt
from app.media.clip import SAMPLE_RATE_HZ, Clip, ClipChunk, SourceInfo
from app.media.protocol import Start
from app.media.readahead import ReadAhead
from app.media.source import Frame, OpenSource, Sound, Wanted, open_source
from app.results.model import Notice
from app.settings import DecodeSettings, LimitSettings

_MAX_CHUNK_S = 30.0
"""Frames further apart go into chunks of their own: the sound between them would fill the memory."""


class ClipStream:
    """A clip that is being decoded, as chunks. A context manager; leaving it ends the decode child.

    Attributes:
        source: facts about the input, known from the start.
    """

    def __init__(
        self,
        source: OpenSource,
        *,
        chunk_frames: int,
        context_s: float,
        chunk_s: float,
        cancel: threading.Event | None = None,
    ) -> None:
        self._source = source
        self._chunks = ReadAhead(
            _Chunker(chunk_frames=chunk_frames, context_s=context_s, chunk_s=chunk_s).chunks(source.parts()),
            depth=1,
            interrupt=source.worker.close,
            cancel=cancel,
        )
        self.source: SourceInfo = source.info

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What a reader of the result must know; complete after the iteration."""
        return tuple(self._source.notices)

    @property
    def starts(self) -> Mapping[int, Start]:
        """Of an outline: from where each frame so far can be decoded, by its index."""
        return self._source.starts

    @property
    def pid(self) -> int:
        """Process id of the decode child."""
        return self._source.worker.pid

    def __iter__(self) -> Iterator[ClipChunk]:
        """The chunks, once; decoding runs one chunk ahead.

        Raises:
            MediaError: the clip cannot be decoded to its end within the limits.
            Canceled: `cancel` was set, or the stream was closed by another thread.
            InternalError: a fault of the decode child.
        """
        return iter(self._chunks)

    def close(self) -> None:
        """Kill the decode child and wait for it. May be called twice, and from any thread."""
        self._chunks.close()
        self._source.worker.release()

    def __enter__(self) -> ClipStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_clip(
    path: Path,
    *,
    size: int,
    fps: float,
    limits: LimitSettings,
    decode: DecodeSettings,
    chunk_frames: int = 16,
    audio_context_s: float = 1.5,
    audio: Path | None = None,
    outline: bool = False,
    cancel: threading.Event | None = None,
) -> ClipStream:
    """Start decoding the video or image at `path`.

    Args:
        size: side of the square frames in pixels; the displayed picture is squashed to it.
        fps: frames per second to take: for each k the first frame at or after k / fps, none twice.
        chunk_frames: most frames of a chunk.
        audio_context_s: sound before the first and after the last frame of each chunk, in seconds.
        audio: a separate sound file; it begins with the picture and replaces the sound track. A still image
            is shown for as long as it lasts.
        outline: for a clip that is decoded in parts: empty pictures (0, 0, 3), times as the packets have
            them, and `ClipStream.starts`. Whatever had better be decoded in one go is UnsupportedMedia.
        cancel: set it from another thread to end opening and reading at once, whatever the child does.

    Raises:
        NotFound: a file cannot be read.
        MediaError: it is not media that can be used, or its headers already exceed a limit.
        Canceled: `cancel` was set.
        InternalError: a fault of the decode child.
    """
    source = _open(
        path,
        size=size,
        fps=fps,
        limits=limits,
        decode=decode,
        lead_s=audio_context_s,
        audio=audio,
        outline=outline,
        cancel=cancel,
    )
    return ClipStream(
        source,
        chunk_frames=chunk_frames,
        context_s=audio_context_s,
        chunk_s=_MAX_CHUNK_S,
        cancel=cancel,
    )


def read_clip(
    path: Path,
    *,
    size: int,
    fps: float,
    limits: LimitSettings,
    decode: DecodeSettings,
    audio_context_s: float = 1.5,
    audio: Path | None = None,
) -> Clip:
    """The whole clip in memory; arguments and errors as for `open_clip`."""
    source = _open(
        path, size=size, fps=fps, limits=limits, decode=decode, lead_s=audio_context_s, audio=audio
    )
    everything = _Chunker(chunk_frames=limits.max_frames + 1, context_s=audio_context_s, chunk_s=math.inf)
    try:
        chunk = next(everything.chunks(source.parts()), None)
    finally:
        source.worker.release()
    if chunk is None:
        raise MediaCorrupt("no frame of the video could be decoded")
    return Clip(
        frames=chunk.frames,
        frame_times_s=chunk.frame_times_s,
        frame_indices=chunk.frame_indices,
        waveform=chunk.waveform,
        audio_offset_s=chunk.waveform_start_s,
        source=source.info,
    )


def _open(
    path: Path,
    *,
    size: int,
    fps: float,
    limits: LimitSettings,
    decode: DecodeSettings,
    lead_s: float,
    audio: Path | None,
    outline: bool = False,
    cancel: threading.Event | None = None,
) -> OpenSource:
    wanted = Wanted(
        square=size,
        max_side=size,
        fps=fps,
        sound_rate_hz=SAMPLE_RATE_HZ,
        sound_channels=1,
        lead_s=lead_s,
        whole_sound=False,
        outline=outline,
    )
    return open_source(path, audio=audio, wanted=wanted, limits=limits, decode=decode, cancel=cancel)


class _Chunker:
    """Cuts frames and sound into chunks.

    The child sends all sound up to `context_s` after a frame before the frame itself, so a chunk is complete
    as soon as its last frame is there.
    """

    def __init__(self, *, chunk_frames: int, context_s: float, chunk_s: float) -> None:
        self._chunk_frames = chunk_frames
        self._context_s = context_s
        self._chunk_s = chunk_s
        self._frames: list[Frame] = []
        self._sound = _SoundWindow()

    def chunks(self, parts: Iterator[Frame | Sound]) -> Iterator[ClipChunk]:
        for part in parts:
            if isinstance(part, Sound):
                yield from self._hear(part)
                continue
            if self._frames and part.time_s - self._frames[0].time_s > self._chunk_s:
                yield self._cut()
            self._frames.append(part)
            if len(self._frames) == self._chunk_frames:
                yield self._cut()
        if self._frames:
            yield self._cut()

    def _hear(self, sound: Sound) -> Iterator[ClipChunk]:
        self._sound.append(sound)
        # This block would not have come before a frame that needs no more than the one before it.
        next_frame_s = sound.start / SAMPLE_RATE_HZ - self._context_s
        if self._frames and next_frame_s - self._frames[0].time_s > self._chunk_s:
            yield self._cut()
        if not self._frames:
            self._sound.forget_before(_position(next_frame_s - self._context_s))

    def _cut(self) -> ClipChunk:
        times_s = np.array([frame.time_s for frame in self._frames], np.float64)
        start, waveform = self._sound.between(
            _position(times_s[0] - self._context_s), _position(times_s[-1] + self._context_s) + 1
        )
        chunk = ClipChunk(
            frames=np.stack([frame.image for frame in self._frames]),
            frame_times_s=times_s,
            frame_indices=np.array([frame.index for frame in self._frames], np.int64),
            waveform=waveform,
            waveform_start_s=start / SAMPLE_RATE_HZ,
        )
        self._sound.forget_before(_position(times_s[-1] - self._context_s))
        self._frames = []
        return chunk


class _SoundWindow:
    """The stretch of sound that is still needed. Positions count samples from time 0."""

    def __init__(self) -> None:
        self._blocks: list[npt.NDArray[np.float32]] = []
        self._start = 0
        self._end = 0

    def append(self, sound: Sound) -> None:
        if not self._blocks and self._end == 0:
            self._start = self._end = sound.start
        if sound.start != self._end:
            raise InternalError("the decode child left out some sound")
        self._blocks.append(sound.samples[:, 0])
        self._end += len(sound.samples)

    def between(self, start: int, end: int) -> tuple[int, npt.NDArray[np.float32]]:
        """The sound in [start, end) as far as there is any, and where it starts."""
        start, end = max(start, self._start), min(end, self._end)
        if end <= start:
            return start, np.empty(0, np.float32)
        held = self._blocks[0] if len(self._blocks) == 1 else np.concatenate(self._blocks)
        self._blocks = [held]
        return start, held[start - self._start : end - self._start].copy()

    def forget_before(self, position: int) -> None:
        while self._blocks and self._start + len(self._blocks[0]) <= position:
            self._start += len(self._blocks.pop(0))
        if self._blocks and self._start < position:
            self._blocks[0] = self._blocks[0][position - self._start :].copy()
            self._start = position


def _position(time_s: float) -> int:
    return math.floor(time_s * SAMPLE_RATE_HZ)
