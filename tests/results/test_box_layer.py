from __future__ import annotations

import itertools
from dataclasses import replace

import av
import numpy as np
import pytest

from app.media.encode import YuvConverter
from app.results.box_layer import BoxLayer
from app.results.model import Detection, Heard
from app.results.palette import SILENT, track_colour
from app.results.tracks import Track

WIDTH, HEIGHT = 640, 360
BOX = (0.25, 0.25, 0.75, 0.75)


def _frame(grey: int = 90, *, size=(WIDTH, HEIGHT), lane: int = 0) -> av.VideoFrame:
    return YuvConverter().convert(np.full((size[1] + lane, size[0], 3), grey, np.uint8))


def _rgb(frame: av.VideoFrame) -> np.ndarray:
    return frame.to_ndarray(format="rgb24").astype(int)


def _painted(*detections: Detection, grey: int = 90, tracks=None) -> np.ndarray:
    frame = _frame(grey)
    BoxLayer(WIDTH, HEIGHT, threshold=0.5, tracks=tracks or {}).paint(frame, detections)
    return _rgb(frame)


def _dog(box=BOX, *, sounding=0.9, track_id=1, score=0.8, label="dog") -> Detection:
    return Detection(box, label, score, sounding, track_id)


def _change(image: np.ndarray, grey: int = 90) -> np.ndarray:
    return np.abs(image - _rgb(_frame(grey))).max(axis=2)


def test_no_detection_changes_no_pixel():
    assert not _change(_painted()).any()


def test_line_runs_along_the_inside_of_the_box_and_leaves_the_rest_alone():
    change = _change(_painted(_dog()))
    row = change[HEIGHT // 2]
    touched = np.flatnonzero(row)
    assert touched.min() == pytest.approx(WIDTH // 4, abs=2)
    assert touched.max() == pytest.approx(WIDTH * 3 // 4, abs=2)
    assert not row[WIDTH // 4 + 8 : WIDTH * 3 // 4 - 8].any()
    column = np.flatnonzero(change[HEIGHT // 2 :, WIDTH // 2])
    assert column.max() + HEIGHT // 2 == pytest.approx(HEIGHT * 3 // 4, abs=2)


def test_what_sounds_is_bold_in_its_tracks_colour_and_the_rest_thin_and_grey():
    middle = HEIGHT // 2
    loud, quiet = _painted(_dog(track_id=2))[middle], _painted(_dog(sounding=0.49, track_id=2))[middle]
    assert loud[WIDTH // 4 + 1] == pytest.approx(track_colour(2), abs=12)
    assert quiet[WIDTH // 4] == pytest.approx(SILENT, abs=12)
    near = slice(WIDTH // 4 - 6, WIDTH // 4 + 8)
    widths = [(line[near].max(axis=1) > 130).sum() for line in (loud, quiet)]
    assert widths[0] >= 2 * widths[1] > 0


def test_track_keeps_its_colour_wherever_it_goes():
    first = _painted(_dog((0.1, 0.3, 0.3, 0.9), track_id=5, label="dog", score=0.9))
    second = _painted(_dog((0.5, 0.3, 0.9, 0.9), track_id=5, label="cat", score=0.3), _dog(track_id=1))
    assert first[HEIGHT * 2 // 3, 65] == pytest.approx(second[HEIGHT * 2 // 3, 321], abs=2)


def test_neighbouring_tracks_differ_in_colour():
    tones = [np.array(track_colour(number)) for number in range(1, 9)]
    assert min(np.abs(a - b).max() for a, b in itertools.combinations(tones, 2)) > 40
    assert track_colour(9) == track_colour(1)


@pytest.mark.parametrize("grey", [0, 90, 176, 255])
@pytest.mark.parametrize("sounding", [0.1, 0.9])
def test_label_and_line_show_on_any_background(grey, sounding):
    image = _painted(_dog(sounding=sounding), grey=grey)
    label = image[HEIGHT // 4 - 16 : HEIGHT // 4 - 4, WIDTH // 4 + 4 : WIDTH // 4 + 40].mean(axis=2)
    assert np.ptp(label) > 90
    line = image[HEIGHT // 2, WIDTH // 4 - 4 : WIDTH // 4 + 8].mean(axis=1)
    assert np.ptp(line) > 60


@pytest.mark.parametrize(
    "box",
    [(0, 0, 1, 1), (0.9, 0.0, 1.0, 0.02), (0.95, 0.95, 1.0, 1.0), (0.999, 0.999, 1, 1), (0, 0.9, 0.01, 1)],
)
@pytest.mark.parametrize("sounding", [0.1, 0.9])
def test_nothing_leaves_the_picture(box, sounding):
    frame = _frame(lane=40)
    layer = BoxLayer(WIDTH, HEIGHT, threshold=0.5, tracks={})
    layer.paint(frame, [_dog(box, sounding=sounding, label="a name that is longer than the box " * 4)])
    change = np.abs(_rgb(frame) - _rgb(_frame(lane=40))).max(axis=2)
    assert not change[HEIGHT + 1 :].any()  # a row further: to RGB, chroma is interpolated
    assert change[:HEIGHT].any()


@pytest.mark.parametrize("size", [(2, 2), (16, 8), (64, 36), (36, 64)])
def test_picture_smaller_than_the_label_is_no_error(size):
    frame = _frame(size=size)
    BoxLayer(*size, threshold=0.5, tracks={}).paint(frame, [_dog(), _dog((0.5, 0, 1, 1), sounding=0.1)])
    assert (frame.width, frame.height) == size


def test_labels_of_boxes_that_coincide_do_not_cover_each_other():
    one, both = _painted(_dog()), _painted(_dog(), _dog(track_id=2))
    above = slice(HEIGHT // 4 - 14, HEIGHT // 4 - 2)
    assert np.abs(one - both)[above, WIDTH // 4 : WIDTH // 4 + 60].max() < 8
    assert both[HEIGHT // 4 + 8, WIDTH // 4 + 1] == pytest.approx(track_colour(2), abs=12)


def test_what_sounds_lies_above_what_does_not():
    silent = _dog(sounding=0.1, track_id=1)
    image = _painted(_dog(track_id=2), silent)
    assert np.array_equal(image, _painted(silent, _dog(track_id=2)))
    assert image[HEIGHT // 2, WIDTH // 4 + 1] == pytest.approx(track_colour(2), abs=12)


def test_label_of_the_track_is_shown():
    tracks = {1: Track(1, "dog", (0,), (_dog(),))}
    assert np.array_equal(_painted(_dog(label="wolf"), tracks=tracks), _painted(_dog()))
    assert not np.array_equal(_painted(_dog(label="wolf")), _painted(_dog()))


def test_sound_of_the_track_is_shown_while_it_sounds():
    tracks = {1: Track(1, "dog", (0,), (replace(_dog(), sound=Heard("Bark", 0.5)),))}
    assert np.array_equal(_painted(_dog(), tracks=tracks), _painted(_dog(label="dog · Bark")))
    silent = _dog(sounding=0.1)
    assert np.array_equal(_painted(silent, tracks=tracks), _painted(silent))
