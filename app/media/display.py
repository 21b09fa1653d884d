"""A clip as a viewer sees it: displayed-size frames and the sound in its own quality, for the overlay."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from app.media.clip import SourceInfo
from app.media.readahead import ReadAhead
from app.media.source import Frame, OpenSource, Sound, Wanted, open_source
from app.results.model import Notice
from app.settings import DecodeSettings, LimitSettings

_LEAD_S = 0.5
_DEPTH = 4  # frames of 2.7 MB at 1280 x 720
_IMAGE_FPS = 10.0


@dataclass(frozen=True, slots=True)
class DisplayFrame:
    """A frame upright and with square pixels; `image` is (H, W, 3) uint8 RGB and read-only."""

    time_s: float
    image: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class SoundBlock:
    """Sound from `start_s` on the displayed timeline; `samples` is (n, channels) float32 in [-1, 1].

    Blocks follow each other without gaps. The first one may start up to half a second before time 0.
    """

    start_s: float
    samples: npt.NDArray[np.float32]


class DisplayStream:
    """A clip that is being decoded for display. A context manager; leaving it ends the decode child.

    Attributes:
        source: facts about the input.
        width, height: of all frames in pixels; even.
        fps: nominal frame rate of what comes; the true times are those of the frames.
        sound_rate_hz, sound_channels: of the sound blocks; 0 without sound.
    """

    def __init__(self, source: OpenSource, *, fps: float, cancel: threading.Event | None = None) -> None:
        self._source = source
        self._items = ReadAhead(_display(source), depth=_DEPTH, interrupt=source.worker.close, cancel=cancel)
        self.source: SourceInfo = source.info
        self.width = source.report.frame_width
        self.height = source.report.frame_height
        self.fps = fps
        self.sound_rate_hz = source.report.sound_rate_hz
        self.sound_channels = source.report.sound_channels

    @property
    def notices(self) -> tuple[Notice, ...]:
        """As `ClipStream.notices`."""
        return tuple(self._source.notices)

    def __iter__(self) -> Iterator[DisplayFrame | SoundBlock]:
        """Frames and sound, once, roughly in the order of time; errors as for `ClipStream`."""
        return iter(self._items)

    def close(self) -> None:
        """Kill the decode child and wait for it. May be called twice, and from any thread."""
        self._items.close()
        self._source.worker.release()

    def __enter__(self) -> DisplayStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_display(
    path: Path,
    *,
    max_side: int,
    max_fps: float,
    limits: LimitSettings,
    decode: DecodeSettings,
    audio: Path | None = None,
    cancel: threading.Event | None = None,
) -> DisplayStream:
    """Start decoding the video or image at `path` for display.

    Args:
        max_side: longest side of the frames in pixels; smaller sources are not enlarged.
        max_fps: highest frame rate; a still image with sound comes at 10 frames per second at most.
        audio, cancel: as for `open_clip`.

    Raises:
        NotFound, MediaError, Canceled, InternalError: as `open_clip`.
    """
    wanted = Wanted(
        square=0,
        max_side=max_side,
        fps=max_fps,
        sound_rate_hz=0,
        sound_channels=0,
        lead_s=_LEAD_S,
        whole_sound=True,
    )
    source = open_source(path, audio=audio, wanted=wanted, limits=limits, decode=decode, cancel=cancel)
    return DisplayStream(source, fps=_nominal_fps(source.info, max_fps), cancel=cancel)


def _nominal_fps(info: SourceInfo, max_fps: float) -> float:
    if info.kind == "image":
        return min(max_fps, _IMAGE_FPS)
    return min(max_fps, info.fps) if info.fps > 0 else max_fps


def _display(source: OpenSource) -> Iterator[DisplayFrame | SoundBlock]:
    rate_hz = source.report.sound_rate_hz
    for part in source.parts():
        if isinstance(part, Frame):
            yield DisplayFrame(part.time_s, part.image)
        elif isinstance(part, Sound):
            yield SoundBlock(part.start / rate_hz, part.samples)
