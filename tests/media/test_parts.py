"""The small parts: sniffing, the frame clock, orientation, messages, reading ahead."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from app.errors import InternalError, LimitExceeded, MediaCorrupt, NoVideoStream, UnsupportedMedia
from app.media.geometry import Orientation, displayed_size, fit_even
from app.media.probe import sniff
from app.media.protocol import Budget, DecodeJob, Kind, error_from, error_meta, pack, unpack_header
from app.media.readahead import ReadAhead
from app.media.video import FrameClock

BUDGET = Budget(60.0, 10_000, 100.0, 500, 10**9)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00", "mov"),
        (b"\x00\x00\x00\x08wide\x00\x00\x00\x00mdat", "mov"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81", "matroska"),
        (b"RIFF\x24\x00\x00\x00AVI LIST", "avi"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "wav"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "webp_pipe"),
        (b"fLaC\x00\x00\x00\x22", "flac"),
        (b"OggS\x00\x02", "ogg"),
        (b"ID3\x04\x00\x00", "mp3"),
        (b"\xff\xfb\x90\x64\x00", "mp3"),
        (b"\xff\xf1\x50\x80\x00", "aac"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "png_pipe"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "jpeg_pipe"),
    ],
)
def test_container_is_known_by_its_first_bytes(head: bytes, name: str) -> None:
    assert sniff(head).name == name


@pytest.mark.parametrize(
    "head", [b"#EXTM3U\n#EXT", b"ffconcat version", b"rootmoov is a word", b"RIFF1234CDXA"]
)
def test_anything_else_is_unsupported(head: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        sniff(head)


def test_clock_never_takes_more_than_one_frame_per_tick_nor_drifts() -> None:
    clock = FrameClock(4.0)
    taken = [k / 29.97 for k in range(2997) if clock.wants(k / 29.97)]
    assert len(taken) == 400
    for tick, time_s in enumerate(taken):
        assert 0 <= time_s - tick / 4 + 1e-3 < 1 / 29.97 + 1e-3


def test_clock_accepts_times_rounded_to_milliseconds() -> None:
    clock = FrameClock(3.0)
    assert [clock.wants(time_s) for time_s in (0.0, 0.333, 0.666, 0.999)] == [True] * 4


def test_orientation_turns_the_same_way_as_its_angle() -> None:
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    clockwise = Orientation(swap=True, flip_x=True)
    assert clockwise.rotation_deg == 90
    assert np.array_equal(clockwise.apply(image), np.rot90(image, -1))
    counterclockwise = Orientation(swap=True, flip_y=True)
    assert counterclockwise.rotation_deg == 270
    assert np.array_equal(counterclockwise.apply(image), np.rot90(image, 1))
    assert np.array_equal(Orientation(flip_x=True).apply(image), image[:, ::-1])


def test_absurd_pixel_shapes_are_ignored() -> None:
    assert displayed_size(100, 50, pixel_aspect=1e6, orientation=Orientation()) == (100, 50)
    assert displayed_size(100, 50, pixel_aspect=2.0, orientation=Orientation(swap=True)) == (50, 200)


def test_fitted_sizes_are_even_and_never_enlarged() -> None:
    assert fit_even(1920, 1080, max_side=1280) == (1280, 720)
    assert fit_even(101, 51, max_side=1280) == (100, 50)
    assert fit_even(4000, 3, max_side=640) == (640, 2)


def test_job_survives_the_trip() -> None:
    job = DecodeJob((3, 4), -1, 448, 448, 4.0, 16_000, 1, 1.5, False, BUDGET, 60, 2**30, 2)
    assert DecodeJob.from_json(job.to_json()) == job


def test_errors_survive_the_trip_with_their_limit() -> None:
    error = error_from(error_meta(BUDGET.exceeded("max_frames", "too many")))
    assert type(error) is LimitExceeded
    assert (error.detail, error.limit, error.setting) == ("too many", 500, "EARSIGHT_LIMITS__MAX_FRAMES")
    assert type(error_from(error_meta(NoVideoStream("none")))) is NoVideoStream
    assert type(error_from({"code": "internal", "detail": "bug"})) is InternalError
    assert type(error_from({"code": "not_found"})) is InternalError  # no business of the child


@pytest.mark.parametrize("position", [0, 4, 8, 19])
def test_nonsense_is_no_message(position: int) -> None:
    header = bytearray(pack(Kind.FRAME, {"a": 1}, 12)[:20])
    assert unpack_header(bytes(header)) == (Kind.FRAME, 8, 12)
    header[position] = 0xFF if position != 8 else 0
    if position == 8:
        header[11] = 0xFF
    with pytest.raises(InternalError):
        unpack_header(bytes(header))


def test_reading_ahead_is_bounded() -> None:
    made = []

    def source() -> Iterator[int]:
        for k in itertools.count():
            made.append(k)
            yield k

    ahead = ReadAhead(source(), depth=2, interrupt=lambda: None)
    items = iter(ahead)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    ahead.close()
    assert len(made) <= 3 + 2 + 1


def test_errors_of_the_source_reach_the_reader_after_its_items() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise MediaCorrupt("broken")

    ahead = ReadAhead(source(), depth=1, interrupt=lambda: None)
    items = iter(ahead)
    assert next(items) == 1
    with pytest.raises(MediaCorrupt):
        next(items)
    ahead.close()


def test_closing_interrupts_a_source_that_waits() -> None:
    released = threading.Event()

    def source() -> Iterator[int]:
        released.wait(timeout=60)
        yield 1

    ahead = ReadAhead(source(), depth=1, interrupt=released.set)
    ahead.close()
    assert not any(thread.name == "decode-reader" and thread.is_alive() for thread in threading.enumerate())
