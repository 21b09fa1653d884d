from __future__ import annotations

import itertools

import numpy as np
import pytest

from app.results.curves import presence_columns, wave_columns
from app.results.lane import Lane
from app.results.lane_layout import Box, lay_out
from app.results.model import Heard, SoundLevel
from app.results.palette import BACKGROUND, PLAYHEAD, palette_of
from app.results.readout import Readout
from app.results.text import ELLIPSIS, fit, font

SIZES = [
    (2, 2),
    (6, 1280),
    (16, 16),
    (64, 48),
    (224, 224),
    (320, 240),
    (480, 360),
    (640, 360),
    (576, 1024),
    (1280, 720),
    (4096, 2304),
]


def _apart(one: Box, other: Box) -> bool:
    beside = one.right <= other.left or other.right <= one.left
    return beside or one.bottom <= other.top or other.bottom <= one.top


@pytest.mark.parametrize("explained", [False, True])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_parts_of_the_lane_do_not_overlap_and_lie_inside(width, height, explained):
    layout = lay_out(width, height, explained=explained)
    optional = [part for part in (layout.captions, layout.why) if part is not None]
    parts = [layout.wave, layout.presence, layout.readout, *optional]
    assert all(_apart(one, other) for one, other in itertools.combinations(parts, 2))
    assert all(part.width > 0 and part.height > 0 for part in parts)
    assert all(part.left >= 0 and part.top >= 0 for part in parts)
    assert all(part.right <= layout.width and part.bottom <= layout.height for part in parts)
    assert layout.height % 2 == 0
    assert (layout.n_names + 1) * layout.row_px <= layout.readout.height


def test_explanations_get_room_below_that_takes_nothing_from_the_others():
    plain, explained = lay_out(1280, 720), lay_out(1280, 720, explained=True)
    assert plain.why is None
    assert explained.wave == plain.wave
    assert explained.presence.height == pytest.approx(plain.presence.height, abs=1)  # heights are made even
    assert explained.why.top >= explained.presence.bottom
    assert (explained.why.left, explained.why.right) == (explained.wave.left, explained.wave.right)
    assert explained.why.height > 2.5 * explained.font_px


def test_lane_at_720p_is_about_a_seventh_of_the_picture():
    assert 90 <= lay_out(1280, 720).height <= 125


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_lane_of_any_size_can_be_drawn(make_result, dog_explained, width, height):
    name = "Domestic animals, pets and everything else that has a very long name"
    heard = (tuple(Heard(f"{name} {number}", 1 / (1 + number)) for number in range(9)),) * 4
    peak = np.linspace(0, 1, 50, dtype=np.float32)
    result = make_result(np.ones((4, 16, 16)), heard=heard, peak=peak, explanations=(dog_explained,))
    lane = Lane(result, width, height, palette=palette_of("inferno"))
    canvas = np.zeros((lane.height, width, 3), np.uint8)
    lane.draw(canvas, 0.5)
    assert (canvas.reshape(-1, 3) == BACKGROUND).all(axis=1).mean() > 0.05
    assert len(np.unique(canvas.reshape(-1, 3), axis=0)) > 10


def _playhead_column(lane: Lane, time_s: float) -> float:
    canvas = np.zeros((lane.height, 640, 3), np.uint8)
    lane.draw(canvas, time_s)
    white = (canvas[20:-20] == PLAYHEAD).all(axis=2).all(axis=0)
    return float(np.flatnonzero(white).mean())


def test_playhead_moves_with_time_and_stops_at_the_ends(make_result):
    lane = Lane(make_result(np.zeros((4, 16, 16))), 640, 360, palette=palette_of("inferno"))
    start, middle, end = (_playhead_column(lane, time_s) for time_s in (0.0, 0.5, 1.0))
    assert middle == pytest.approx((start + end) / 2, abs=1)
    assert end - start == pytest.approx(lay_out(640, 360).wave.width, abs=2)
    assert _playhead_column(lane, -5.0) == start
    assert _playhead_column(lane, 99.0) == end


def _words(result, index):
    return Readout(result, lay_out(1280, 720), palette=palette_of("inferno")).image(index)


def test_readout_changes_with_presence_and_with_what_is_heard(make_result):
    heard = ((Heard("Dog", 0.8),), (Heard("Dog", 0.8),), (Heard("Cat", 0.8),), ())
    result = make_result(np.zeros((4, 16, 16)), presence=[0.9, 0.1, 0.9, 0.9], heard=heard)
    row_px = lay_out(1280, 720).row_px
    images = [_words(result, index) for index in range(4)]
    assert not np.array_equal(images[0][:row_px], images[1][:row_px])
    assert np.array_equal(images[0][row_px:], images[1][row_px:])
    assert np.array_equal(images[0][:row_px], images[2][:row_px])
    assert not np.array_equal(images[0][row_px:], images[2][row_px:])
    assert not np.array_equal(images[2][row_px:], images[3][row_px:])


def test_rows_do_not_swap_when_two_scores_cross(make_result):
    """Only the numbers and bars change: the names stay in their rows."""
    heard = ((Heard("Dog", 0.8), Heard("Wind", 0.7)), (Heard("Wind", 0.8), Heard("Dog", 0.7)))
    result = make_result(np.zeros((2, 16, 16)), heard=heard)
    names = [_words(result, index)[:, :120] for index in range(2)]
    assert np.array_equal(*names)


def test_long_name_is_cut_to_the_room_there_is():
    face = font(17)
    short = fit("Domestic animals, pets", face, 90)
    assert short.endswith(ELLIPSIS)
    assert short[:-1] == "Domestic animals, pets"[: len(short) - 1]
    assert face.getlength(short) <= 90
    assert fit("Dog", face, 90) == "Dog"


def test_waveform_column_holds_the_loudest_of_its_samples():
    peak = np.zeros(500, np.float32)
    peak[123] = 0.7
    columns = wave_columns(SoundLevel(0.0, 50.0, peak), 10, duration_s=10.0)
    assert columns.argmax() == 2
    assert columns[2] == pytest.approx(0.7)
    assert columns[[0, 1, 3, 9]].max() == 0


def test_waveform_is_flat_where_there_is_no_sound():
    late = SoundLevel(5.0, 50.0, np.full(50, 0.5, np.float32))
    columns = wave_columns(late, 10, duration_s=10.0)
    assert columns[5] == pytest.approx(0.5)
    assert columns[[0, 3, 7, 9]].max() == 0
    assert wave_columns(SoundLevel(0.0, 50.0, np.zeros(0, np.float32)), 4, duration_s=1.0).max() == 0


def test_presence_column_keeps_a_short_peak_of_a_long_clip(make_result):
    presence = [0.0] * 1000
    presence[501] = 0.9
    times_s = list(np.arange(1000) * 1.0)
    frames = make_result(np.zeros((1000, 2, 2)), times_s=times_s, presence=presence).frames
    columns = presence_columns(frames, 20, duration_s=1000.0)
    assert columns[10] == pytest.approx(0.9)
    assert columns[0] == columns[19] == 0
