"""A set `cancel` ends opening and reading within a second, whatever the decode child does, and buries it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.errors import Canceled
from app.media import worker as room
from app.media.display import DisplayStream
from app.media.readahead import ReadAhead
from app.media.stream import ClipStream
from tests.fixtures_canceling import all_gone, canceled_in_time

MakeClip = Callable[..., Path]
OpenStream = Callable[..., ClipStream]

SILENT = "import time; time.sleep(60)"
DEAF = "import os, time; os.close(1); time.sleep(60)"  # has closed the pipe, but lives on


@pytest.fixture
def cancel() -> threading.Event:
    return threading.Event()


@pytest.fixture
def long_clip(make_clip: MakeClip) -> Path:
    return make_clip(frames=600, audio_rate_hz=16_000, channels=1)


@pytest.mark.parametrize("code", [SILENT, DEAF])
def test_while_the_child_starts(
    long_clip: Path,
    open_stream: OpenStream,
    cancel: threading.Event,
    children: list[int],
    monkeypatch: pytest.MonkeyPatch,
    code: str,
) -> None:
    monkeypatch.setattr(room, "_PYTHON", (sys.executable, "-I", "-c", code))
    with canceled_in_time(cancel):
        open_stream(long_clip, cancel=cancel)
    assert all_gone(children)


def test_while_a_large_file_is_hashed(
    tmp_path: Path, open_stream: OpenStream, cancel: threading.Event, children: list[int]
) -> None:
    path = tmp_path / "huge.mp4"
    path.write_bytes(b"\0\0\0\x18ftypisom")
    os.truncate(path, 2**36)  # all of it a hole; reading it takes minutes
    with canceled_in_time(cancel):
        open_stream(path, cancel=cancel)
    assert all_gone(children)


def test_while_the_child_stands_still(
    long_clip: Path, open_stream: OpenStream, cancel: threading.Event, children: list[int]
) -> None:
    with open_stream(long_clip, size=448, fps=30.0, chunk_frames=4, cancel=cancel) as stream:
        os.kill(stream.pid, signal.SIGSTOP)
        with canceled_in_time(cancel):
            list(stream)
    assert all_gone(children)


def test_while_the_child_of_a_display_stands_still(
    long_clip: Path, show: Callable[..., DisplayStream], cancel: threading.Event, children: list[int]
) -> None:
    with show(long_clip, cancel=cancel) as display:
        os.kill(children[0], signal.SIGSTOP)
        with canceled_in_time(cancel):
            list(display)
    assert all_gone(children)


def test_while_there_is_plenty_to_read(
    long_clip: Path, open_stream: OpenStream, cancel: threading.Event, children: list[int]
) -> None:
    with open_stream(long_clip, size=448, fps=30.0, chunk_frames=4, cancel=cancel) as stream:
        chunks = iter(stream)
        next(chunks)
        cancel.set()
        with pytest.raises(Canceled):
            next(chunks)
    assert all_gone(children)


def test_while_a_source_waits_that_knows_no_cancel(cancel: threading.Event) -> None:
    released = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        released.wait(30)

    items = ReadAhead(source(), depth=1, interrupt=released.set, cancel=cancel)
    with canceled_in_time(cancel):
        list(items)
    items.close()


def test_before_anything_began(
    long_clip: Path, open_stream: OpenStream, cancel: threading.Event, children: list[int]
) -> None:
    cancel.set()
    with pytest.raises(Canceled):
        open_stream(long_clip, cancel=cancel)
    assert all_gone(children)


def test_a_cancel_that_is_never_set_changes_nothing(
    make_clip: MakeClip, open_stream: OpenStream, cancel: threading.Event
) -> None:
    with open_stream(make_clip(), cancel=cancel) as stream:
        assert sum(len(chunk.frames) for chunk in stream) == 8
