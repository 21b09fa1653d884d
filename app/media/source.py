"""Opening a source: starts the decode child on it and learns what it is. Shared by both kinds of stream."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.errors import Canceled, InternalError
from app.media.clip import SourceInfo
from app.media.protocol import Budget, DecodeJob, Kind, Part, SourceReport, Start
from app.media.worker import DecodeWorker, Message, open_input
from app.results.model import Notice
from app.settings import DecodeSettings, LimitSettings

_HASH_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """How frames and sound shall come; the fields are those of `DecodeJob`."""

    square: int
    max_side: int
    fps: float
    sound_rate_hz: int
    sound_channels: int
    lead_s: float
    whole_sound: bool
    outline: bool = False
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as it came: (H, W, 3) uint8 RGB, its time on the displayed timeline, its index."""

    image: npt.NDArray[np.uint8]
    time_s: float
    index: int


@dataclass(frozen=True, slots=True)
class Sound:
    """Samples (n, channels) float32 in [-1, 1]; `start` counts samples from time 0. Blocks are contiguous."""

    samples: npt.NDArray[np.float32]
    start: int


class OpenSource:
    """A source whose first frame was decoded.

    Attributes:
        info: facts about it.
        report: what the child said, with the sizes of what it sends.
        worker: the child.
        notices: what the reader of a result must know; complete once `parts` is exhausted.
        starts: of an outline, from where each frame that `parts` has yielded can be decoded, by its index.
    """

    def __init__(self, worker: DecodeWorker, *, sha256: str, size_bytes: int) -> None:
        """Waits for the report of the child. Raises MediaError, Canceled and InternalError."""
        self.worker = worker
        self.notices: list[Notice] = []
        self.starts: dict[int, Start] = {}
        self._messages = worker.messages()
        self.report = self._await_report()
        report = self.report
        self.info = SourceInfo(
            kind=report.kind,
            width=report.width,
            height=report.height,
            rotation_deg=report.rotation_deg,
            duration_s=report.duration_s,
            fps=report.fps,
            container=report.container,
            video_codec=report.video_codec,
            audio_codec=report.audio_codec,
            has_audio=report.sound_rate_hz > 0,
            size_bytes=size_bytes,
            sha256=sha256,
        )

    def parts(self) -> Iterator[Frame | Sound]:
        """Frames and sound in the order of time. Raises MediaError, Canceled and InternalError."""
        image: npt.NDArray[np.uint8] | None = None
        for message in self._messages:
            if message.kind is Kind.NOTICE:
                self._note(message)
            elif message.kind is Kind.SOUND:
                yield self._sound(message)
            elif message.kind is Kind.FRAME:
                if not message.meta.get("repeat"):
                    image = self._image(message.payload)
                if image is None:
                    raise _nonsense()
                index = int(_number(message.meta, "index"))
                if "start" in message.meta:
                    self.starts[index] = Start(**message.meta["start"])
                yield Frame(image, _number(message.meta, "time_s"), index)
            else:
                raise _nonsense()

    def _await_report(self) -> SourceReport:
        for message in self._messages:
            if message.kind is Kind.NOTICE:
                self._note(message)
            elif message.kind is Kind.SOURCE:
                try:
                    return SourceReport(**message.meta)
                except TypeError as error:
                    raise _nonsense() from error
            else:
                break
        raise _nonsense()

    def _note(self, message: Message) -> None:
        self.notices.append(Notice(str(message.meta.get("code")), str(message.meta.get("detail"))))

    def _image(self, payload: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        shape = (self.report.frame_height, self.report.frame_width, 3)
        if payload.size != shape[0] * shape[1] * 3:
            raise _nonsense()
        image = payload.reshape(shape)
        image.flags.writeable = False  # a repeated frame is the same array
        return image

    def _sound(self, message: Message) -> Sound:
        channels = self.report.sound_channels
        if channels not in (1, 2) or message.payload.size % (4 * channels):
            raise _nonsense()
        samples = message.payload.view(np.float32).reshape(-1, channels)
        return Sound(samples, int(_number(message.meta, "start")))


def open_source(
    path: Path,
    *,
    audio: Path | None,
    wanted: Wanted,
    limits: LimitSettings,
    decode: DecodeSettings,
    cancel: threading.Event | None = None,
) -> OpenSource:
    """Start a child on `path` (and a separate sound file) and wait for its report.

    Args:
        cancel: set it from another thread to have the source give up at once, now and in `parts`.

    Raises:
        NotFound: a file cannot be read.
        MediaError: it is not media that can be used.
        Canceled: `cancel` was set.
        InternalError: a fault of the child.
    """
    with ExitStack() as opened:
        media_fds = (open_input(path, opened), open_input(path, opened))
        job = DecodeJob(
            media_fds=media_fds,
            sound_fd=open_input(audio, opened) if audio is not None else -1,
            square=wanted.square,
            max_side=wanted.max_side,
            fps=wanted.fps,
            sound_rate_hz=wanted.sound_rate_hz,
            sound_channels=wanted.sound_channels,
            lead_s=wanted.lead_s,
            whole_sound=wanted.whole_sound,
            budget=_budget(limits),
            cpu_s=decode.cpu_s,
            memory_bytes=decode.memory_bytes,
            threads=decode.threads,
            outline=wanted.outline,
            part=wanted.part,
        )
        worker = DecodeWorker(job, stall_s=decode.stall_s, cancel=cancel)
        try:
            sha256 = _sha256(path, cancel)  # while the child starts
            return OpenSource(worker, sha256=sha256, size_bytes=os.fstat(media_fds[0]).st_size)
        except BaseException:
            worker.release()
            raise


def _sha256(path: Path, cancel: threading.Event | None) -> str:
    """Hex digest of a file, which may have gigabytes. Raises Canceled."""
    digest = hashlib.sha256()
    block = memoryview(bytearray(_HASH_BYTES))
    with path.open("rb", buffering=0) as file:
        while n_bytes := file.readinto(block):
            if cancel is not None and cancel.is_set():
                raise Canceled("reading the clip was canceled")
            digest.update(block[:n_bytes])
    return digest.hexdigest()


def _budget(limits: LimitSettings) -> Budget:
    return Budget(
        max_duration_s=limits.max_duration_s,
        max_pixels=limits.max_pixels,
        max_fps=limits.max_fps,
        max_frames=limits.max_frames,
        max_decoded_pixels=limits.max_decoded_pixels,
    )


def _number(meta: dict[str, Any], key: str) -> float:
    value = meta.get(key)
    if not isinstance(value, int | float) or not np.isfinite(value):
        raise _nonsense()
    return float(value)


def _nonsense() -> InternalError:
    return InternalError("the decode child sent something that was not asked for")
