from __future__ import annotations

import numpy as np
import pytest

from app.results.timeline import heatmap_at, nearest


def test_heatmap_is_linear_between_two_samples(make_result):
    heatmap = np.stack([np.zeros((2, 2)), np.ones((2, 2))])
    frames = make_result(heatmap, times_s=[1.0, 1.5]).frames
    assert heatmap_at(frames, 1.125) == pytest.approx(np.full((2, 2), 0.25))


@pytest.mark.parametrize(("time_s", "value"), [(0.0, 0.2), (1.0, 0.2), (1.5, 0.8), (9.0, 0.8)])
def test_first_and_last_heatmap_hold_beyond_the_samples(make_result, time_s, value):
    heatmap = np.stack([np.full((2, 2), 0.2), np.full((2, 2), 0.8)])
    frames = make_result(heatmap, times_s=[1.0, 1.5]).frames
    assert heatmap_at(frames, time_s) == pytest.approx(np.full((2, 2), value))


def test_without_samples_there_is_no_heatmap(make_result):
    frames = make_result(np.zeros((0, 2, 2))).frames
    assert heatmap_at(frames, 0.0) is None
    assert nearest(frames.time_s, 0.0) is None


@pytest.mark.parametrize(("time_s", "index"), [(-1, 0), (0.0, 0), (0.5, 0), (0.51, 1), (1.9, 2), (5, 2)])
def test_nearest_sample_is_the_earlier_of_two_equally_near(time_s, index):
    assert nearest(np.array([0.0, 1.0, 2.0]), time_s) == index
