"""A set `cancel` ends the writing of any format, and leaves no file behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app.errors import Canceled
from app.results.formats import FORMATS, write_result
from app.results.model import Result
from app.settings import Settings


@pytest.fixture
def result(make_result: Callable[..., Result]) -> Result:
    return make_result(np.zeros((2, 4, 4)), detections=((), ()))


def _write(result: Result, clip: Path, out: Path, name: str, **arguments) -> None:
    write_result(result, out, format=FORMATS[name], source=clip, audio=None, settings=Settings(), **arguments)


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_written_after_a_cancel(
    result: Result, make_clip: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Canceled):
        _write(result, make_clip(), tmp_path / "out", name, cancel=cancel)
    assert list(tmp_path.iterdir()) == []


def test_an_overlay_ends_at_the_next_frame(
    result: Result, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    cancel = threading.Event()
    drawn: list[int] = []

    def stop(frames_done: int, _: float) -> None:
        drawn.append(frames_done)
        if frames_done == 3:
            cancel.set()

    with pytest.raises(Canceled):
        _write(result, make_clip(), tmp_path / "out.mp4", "overlay", cancel=cancel, progress=stop)
    assert drawn == [1, 2, 3]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FORMATS)
def test_a_cancel_that_is_not_set_changes_nothing(
    result: Result, make_clip: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    for stem, arguments in (("with", {"cancel": threading.Event()}), ("without", {})):
        _write(result, make_clip(), tmp_path / stem, name, **arguments)
    assert len((tmp_path / "with").read_bytes()) == len((tmp_path / "without").read_bytes()) > 0
