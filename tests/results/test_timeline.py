from __future__ import annotations

import numpy as np
import pytest

from app.results.timeline import detections_at, heatmap_at, nearest


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


def test_boxes_of_a_track_move_between_samples(two_dogs):
    frames = two_dogs.frames
    (dog,) = detections_at(frames, 0.06)
    assert dog.box == pytest.approx((0.125, 0.2, 0.375, 0.8))
    assert (dog.score, dog.sounding) == (0.91, 0.87654321)
    dog, second, cat = detections_at(frames, 0.18)
    assert dog.box == pytest.approx((0.175, 0.2, 0.425, 0.8))
    assert dog.score == 0.8
    assert (second.box, cat.box) == ((0.6, 0.0, 1.0, 1.0), (0.5, 0.5, 0.75, 0.75))


@pytest.mark.parametrize(("time_s", "row"), [(-1.0, 0), (0.0, 0), (0.24, 1), (0.3, 1), (0.47, 2), (9.0, 2)])
def test_detections_are_those_of_the_nearest_sample(two_dogs, time_s, row):
    assert detections_at(two_dogs.frames, time_s) == two_dogs.frames.detections[row]


def test_there_are_no_detections_without_samples_or_without_the_task(make_result):
    assert detections_at(make_result(np.zeros((0, 2, 2)), detections=()).frames, 0.0) == ()
    assert detections_at(make_result(np.zeros((2, 2, 2))).frames, 0.0) == ()
