from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.results.lane import Lane
from app.results.lane_layout import lay_out
from app.results.model import Explanation, Heard
from app.results.palette import BACKGROUND, TEXT, palette_of
from app.results.why_strip import draw_strip

WIDTH, HEIGHT, FONT_PX = 600, 60, 16
PALETTE = palette_of("inferno")
NAMES = slice(0, 18)  # rows
CURVES = slice(19, HEIGHT - 2)


def _drawn(*explanations: Explanation, duration_s: float = 1.0) -> np.ndarray:
    arguments = {"font_px": FONT_PX, "palette": PALETTE, "duration_s": duration_s}
    return np.asarray(draw_strip(explanations, WIDTH, HEIGHT, **arguments)).astype(int)


def _painted(part: np.ndarray) -> np.ndarray:
    return (part != BACKGROUND).any(axis=2)


def _like(part: np.ndarray, colour) -> np.ndarray:
    return np.abs(part - colour).max(axis=2) < 30


@pytest.fixture
def peaked(dog_explained) -> Explanation:
    """Ten steps in one second: sound speaks at 0.25 s, the picture at 0.75 s."""
    times_s = np.arange(10) / 10 + 0.05
    audio, visual = np.full(10, 0.01, np.float32), np.full(10, 0.01, np.float32)
    audio[2], visual[7] = 0.91, 0.91
    where = np.full((10, 2, 2), 1 / 40, np.float32)
    return replace(dog_explained, time_s=times_s, when_audio=audio, when_visual=visual, where=where)


def test_curves_are_highest_where_the_weight_is(peaked):
    curves = _drawn(peaked)[CURVES]
    for colour, column in ((PALETTE.sound, 150), (PALETTE.source, 450)):
        rows, columns = np.nonzero(_like(curves, colour))
        assert columns[rows == rows.min()].mean() == pytest.approx(column, abs=6)


def test_curve_of_the_sound_is_the_thicker_one(peaked):
    flat = replace(peaked, when_audio=peaked.when_visual, when_visual=peaked.when_audio)
    sound, sight = (
        _like(_drawn(one)[CURVES, 420:480], colour).sum()
        for one, colour in ((flat, PALETTE.sound), (peaked, PALETTE.source))
    )
    assert sound > 1.2 * sight


def test_every_stretch_is_scaled_by_its_own_maximum(peaked):
    faint = replace(peaked, when_audio=np.full(10, 0.1, np.float32), when_visual=np.full(10, 0.1, np.float32))
    tops = [_painted(_drawn(one)[CURVES]).argmax(axis=0).min() for one in (peaked, faint)]
    assert abs(tops[0] - tops[1]) <= 1


def test_a_stretch_is_drawn_at_its_time(peaked):
    late = replace(peaked, start_s=2.0, end_s=3.0, time_s=peaked.time_s + 2)
    curves = _painted(_drawn(late, duration_s=4.0)[CURVES])
    columns = np.flatnonzero(curves.any(axis=0))
    assert (columns.min(), columns.max()) == (pytest.approx(300, abs=3), pytest.approx(450, abs=3))


@pytest.mark.parametrize("reason", ["unsure", "off_screen"])
def test_what_does_not_count_is_not_drawn(peaked, reason):
    assert not _painted(_drawn(replace(peaked, reason=reason))[: HEIGHT - 1]).any()


def test_without_a_moment_only_the_event_is_named(peaked):
    image = _drawn(replace(peaked, reason="no_moment"))
    assert _painted(image[NAMES]).any()
    assert not _painted(image[CURVES]).any()


def test_the_name_stands_at_the_beginning_of_its_stretch(peaked):
    late = replace(peaked, start_s=0.5, end_s=1.0, time_s=peaked.time_s / 2 + 0.5, reason="no_moment")
    columns = np.flatnonzero(_like(_drawn(late)[NAMES], TEXT).any(axis=0))
    assert 300 < columns.min() < 312
    assert columns.max() < 350


def test_a_name_without_room_is_left_out(peaked):
    long = replace(peaked, event=Heard("Domestic animals, pets", 0.9), reason="no_moment", end_s=4.0)
    assert _painted(_drawn(long, duration_s=20.0)[NAMES, 2:]).any()
    short = replace(long, end_s=1.0)
    assert not _painted(_drawn(short, duration_s=20.0)[NAMES]).any()


def test_tones_of_sound_and_picture_differ_in_brightness_or_in_blue(peaked):
    """Red-green blindness leaves blue against yellow, and brightness."""
    for name in ("inferno", "viridis", "magma", "turbo"):
        sound, source = (np.array(tone) for tone in (palette_of(name).sound, palette_of(name).source))
        assert abs(int(sound[2]) - int(source[2])) > 80 or abs(sound.mean() - source.mean()) > 60, name


def test_lane_has_the_strip_only_if_something_is_explained(make_result, peaked):
    def height(*explanations: Explanation) -> int:
        result = make_result(np.zeros((4, 2, 2)), explanations=explanations)
        return Lane(result, 1280, 720, palette=PALETTE).height

    assert height(peaked) == lay_out(1280, 720, explained=True).height
    assert height() == height(replace(peaked, reason="unsure")) == lay_out(1280, 720).height


def test_playhead_crosses_the_strip(make_result, peaked):
    result = make_result(np.zeros((4, 2, 2)), explanations=(peaked,))
    lane = Lane(result, 1280, 720, palette=PALETTE)
    canvas = np.zeros((lane.height, 1280, 3), np.uint8)
    lane.draw(canvas, 0.5)
    why = lay_out(1280, 720, explained=True).why
    assert (
        (canvas[why.top : why.bottom, (why.left + why.right) // 2 - 2 :][:, :4] == 255)
        .all(axis=2)
        .any(axis=1)
        .all()
    )
