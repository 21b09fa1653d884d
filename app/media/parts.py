"""The pictures of a part of a clip, decoded by themselves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import InternalError
from app.media.protocol import Part
from app.media.source import Frame, Wanted, open_source
from app.settings import DecodeSettings, LimitSettings


@contextmanager
def open_part(
    path: Path,
    part: Part,
    *,
    size: int,
    fps: float,
    limits: LimitSettings,
    decode: DecodeSettings,
    cancel: threading.Event | None = None,
) -> Iterator[Iterator[Frame]]:
    """The frames of a part that was made with the outline of the same clip (`open_clip`).

    Args:
        size, fps: as for the outline.
        cancel: set it from another thread to end opening and reading at once.

    Raises, as do the frames:
        NotFound: the file cannot be read.
        MediaError: the part cannot be decoded; the clip may have more to say about that.
        Canceled: `cancel` was set.
        InternalError: a fault of the decode child.
    """
    wanted = Wanted(
        square=size,
        max_side=size,
        fps=fps,
        sound_rate_hz=0,
        sound_channels=0,
        lead_s=0.0,
        whole_sound=False,
        part=part,
    )
    source = open_source(path, audio=None, wanted=wanted, limits=limits, decode=decode, cancel=cancel)
    try:
        yield (_frame(each) for each in source.parts())
    finally:
        source.worker.release()


def _frame(part: object) -> Frame:
    if not isinstance(part, Frame):
        raise InternalError("the decode child sent sound that was not asked for")
    return part
