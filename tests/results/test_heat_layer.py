from __future__ import annotations

import av
import numpy as np
import pytest

from app.media.encode import YuvConverter
from app.results.heat_layer import HeatLayer, colormap_rgb

WIDTH, HEIGHT = 160, 96


def _grey() -> av.VideoFrame:
    return YuvConverter().convert(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))


def _layer(**overrides) -> HeatLayer:
    options = {"colormap": "inferno", "opacity": 0.65, "threshold": 0.5} | overrides
    return HeatLayer(WIDTH, HEIGHT, **options)


def _painted(heatmap: np.ndarray, **overrides) -> np.ndarray:
    frame = _grey()
    _layer(**overrides).paint(frame, heatmap.astype(np.float32))
    return frame.to_ndarray(format="rgb24").astype(int)


def _heatmap(row: int, column: int, value: float = 1.0) -> np.ndarray:
    heatmap = np.zeros((16, 16))
    heatmap[row - 1 : row + 2, column - 1 : column + 2] = value
    return heatmap


def test_silent_heatmap_changes_no_pixel():
    untouched = _grey().to_ndarray(format="rgb24")
    assert np.array_equal(_painted(np.zeros((16, 16))), untouched)
    assert np.array_equal(_painted(np.full((16, 16), 0.02)), untouched)


@pytest.mark.parametrize(("row", "column"), [(3, 4), (12, 11), (1, 14), (14, 1)])
def test_colour_lies_where_the_heatmap_is_high(row, column):
    change = np.abs(_painted(_heatmap(row, column)) - _grey().to_ndarray(format="rgb24").astype(int)).sum(-1)
    rows, columns = np.indices(change.shape)
    assert np.average(rows, weights=change) / HEIGHT == pytest.approx((row + 0.5) / 16, abs=0.02)
    assert np.average(columns, weights=change) / WIDTH == pytest.approx((column + 0.5) / 16, abs=0.02)
    far = (np.abs(rows / HEIGHT - (row + 0.5) / 16) > 0.3) | (
        np.abs(columns / WIDTH - (column + 0.5) / 16) > 0.3
    )
    assert change[far].max() == 0


def test_full_value_shows_the_colour_map_at_the_given_opacity():
    centre = _painted(np.ones((16, 16)), opacity=0.5)[HEIGHT // 2, WIDTH // 2]
    expected = 0.5 * colormap_rgb("inferno")[255] + 0.5 * 90
    assert centre == pytest.approx(expected, abs=4)


def test_opacity_follows_the_value_and_is_not_stretched_to_the_frame():
    grey = _grey().to_ndarray(format="rgb24").astype(int)
    weak, strong = (
        np.abs(_painted(_heatmap(8, 8, value), colormap="viridis") - grey).sum(-1).max()
        for value in (0.15, 0.45)
    )
    assert 0 < weak < 0.6 * strong


def test_contour_runs_along_the_threshold():
    """A ramp from 0 to 1 over the width crosses 0.5 in the middle: a bright line there, nowhere else."""
    ramp = np.tile((np.arange(16) + 0.5) / 16, (16, 1))
    painted = _painted(ramp, opacity=0.0)[HEIGHT // 2, :, 0]
    assert painted[WIDTH // 2 - 1 : WIDTH // 2 + 1].max() > 170
    away = np.abs(np.arange(WIDTH) - (WIDTH - 1) / 2) > 6
    assert np.abs(painted[away] - 90).max() <= 1


def test_plateau_at_the_threshold_is_not_flooded_by_the_contour():
    painted = _painted(np.full((16, 16), 0.5), opacity=0.0)
    assert np.abs(painted - 90).max() <= 2


def test_rest_of_a_taller_frame_stays_as_it_is():
    frame = YuvConverter().convert(np.full((HEIGHT + 32, WIDTH, 3), 90, np.uint8))
    before = frame.to_ndarray(format="rgb24")[HEIGHT:]
    _layer().paint(frame, np.ones((16, 16), np.float32))
    assert np.array_equal(frame.to_ndarray(format="rgb24")[HEIGHT:], before)


def test_unknown_colour_map_is_refused():
    with pytest.raises(ValueError, match="nosuchmap"):
        _layer(colormap="nosuchmap")
