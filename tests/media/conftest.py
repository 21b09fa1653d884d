"""Fixtures of the media room."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from app.media.clip import Clip
from app.media.display import DisplayStream, open_display
from app.media.stream import ClipStream, open_clip, read_clip
from app.settings import DecodeSettings, LimitSettings

SIZE = 96
FPS = 4.0


@pytest.fixture
def limits() -> LimitSettings:
    return LimitSettings()


@pytest.fixture
def decode() -> DecodeSettings:
    return DecodeSettings(threads=1)


@pytest.fixture
def read(limits: LimitSettings, decode: DecodeSettings) -> Callable[..., Clip]:
    """`read_clip` with small frames and default limits."""
    return functools.partial(read_clip, size=SIZE, fps=FPS, limits=limits, decode=decode)


@pytest.fixture
def open_stream(limits: LimitSettings, decode: DecodeSettings) -> Callable[..., ClipStream]:
    """`open_clip` with small frames and default limits."""
    return functools.partial(open_clip, size=SIZE, fps=FPS, limits=limits, decode=decode)


@pytest.fixture
def show(limits: LimitSettings, decode: DecodeSettings) -> Callable[..., DisplayStream]:
    """`open_display` with default limits, at most 30 frames per second."""
    return functools.partial(open_display, max_side=640, max_fps=30.0, limits=limits, decode=decode)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Writes a file of the given name and bytes."""

    def write_bytes(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write_bytes
