from dataclasses import replace

import numpy as np
import pytest

from app.errors import BundleError
from app.inference.manifest import Sounding
from app.pipeline.detect import around_several, detect, heat_overlap, sounding_of

_NO_CLASSES = np.ones((1, 1, 1, 1), np.float32)


def _tokens(*cells: tuple[int, int, float]) -> np.ndarray:
    tokens = np.zeros((1, 4, 4, 3), np.float32)
    for row, column, brightness in cells:
        tokens[0, row, column] = brightness
    return tokens


def _heatmap(row: int, column: int, value: float) -> np.ndarray:
    heatmap = np.zeros((1, 4, 4), np.float32)
    heatmap[0, row, column] = value
    return heatmap


def test_boxes_above_the_threshold_come_by_falling_score(tiny_detecting_bundle):
    tokens = _tokens((0, 0, 0.49), (1, 2, 0.6), (2, 0, 0.9))
    (found,) = detect(tiny_detecting_bundle, tokens, _NO_CLASSES, _heatmap(1, 2, 0.8))
    assert [detection.box for detection in found] == [(0, 0.5, 0.25, 0.75), (0.5, 0.25, 0.75, 0.5)]
    assert [detection.score for detection in found] == pytest.approx([0.9, 0.6])
    assert [detection.sounding for detection in found] == pytest.approx([0.001, 0.8])
    assert {(detection.label, detection.track_id) for detection in found} == {("plain", 0)}


def test_a_box_at_the_threshold_counts(tiny_detecting_bundle):
    assert len(detect(tiny_detecting_bundle, _tokens((0, 0, 0.5)), _NO_CLASSES, None)[0]) == 1


def test_without_sound_objects_are_found_but_none_sounds(tiny_detecting_bundle):
    (found,) = detect(tiny_detecting_bundle, _tokens((1, 2, 1.0)), _NO_CLASSES, None)
    assert [detection.sounding for detection in found] == [0.0]


def test_a_box_without_area_is_dropped(tiny_detecting_bundle):
    class Flat:
        def __init__(self, runner):
            self.entry, self.buckets, self._runner = runner.entry, runner.buckets, runner

        def run(self, feeds):
            outputs = self._runner.run(feeds)
            outputs["boxes"][0, 0, 2] = outputs["boxes"][0, 0, 0]
            outputs["boxes"][0, 1, 3] = outputs["boxes"][0, 1, 1]
            return outputs

    runners = {**tiny_detecting_bundle.runners, "detect": Flat(tiny_detecting_bundle.runners["detect"])}
    bundle = replace(tiny_detecting_bundle, runners=runners)
    (found,) = detect(bundle, np.ones((1, 4, 4, 3), np.float32), _NO_CLASSES, None)
    assert len(found) == 14


def test_a_bundle_that_does_not_detect_is_refused(tiny_bundle):
    with pytest.raises(BundleError):
        detect(tiny_bundle, _tokens(), _NO_CLASSES, None)


def test_cells_count_by_the_part_that_lies_in_the_box():
    heatmap = np.array([[0.0, 1.0], [0.5, 0.25]], np.float32)  # 0.4375 of a frame of heat
    boxes = np.array(
        [[0, 0, 1, 1], [0.25, 0, 0.75, 0.5], [0.4, 0.4, 0.5, 0.6], [0.5, 0.25, 0.6, 1.0]], np.float32
    )
    inside = np.array([0.4375, 0.125, 0.005, 0.1 * (0.25 * 1.0 + 0.5 * 0.25)])
    area = np.array([1, 0.25, 0.02, 0.075])
    np.testing.assert_allclose(heat_overlap(boxes, heatmap), inside / (area + 0.4375 - inside), rtol=1e-5)


def test_the_overlap_agrees_with_fine_sampling_on_a_grid_that_is_not_square():
    rng = np.random.default_rng(0)
    heatmap = rng.random((3, 5)).astype(np.float32)
    fine = heatmap.repeat(200, axis=0).repeat(120, axis=1)  # 600 x 600
    for x0, y0, x1, y1 in np.sort(rng.integers(0, 600, (20, 2, 2)), axis=1).reshape(20, 4):
        if x0 == x1 or y0 == y1:
            continue
        box = np.zeros_like(fine)
        box[y0:y1, x0:x1] = 1
        soft = (box * fine).sum() / (box + fine - box * fine).sum()
        corners = np.array([[x0, y0, x1, y1]], np.float32) / 600
        np.testing.assert_allclose(heat_overlap(corners, heatmap), [soft], rtol=1e-4)


def test_the_box_of_the_source_covers_the_heat_more_than_a_part_or_the_whole_frame_does():
    heatmap = np.zeros((4, 4), np.float32)
    heatmap[1:3, 1:3] = 1
    boxes = np.array([[0.25, 0.25, 0.75, 0.75], [0.25, 0.25, 0.5, 0.5], [0, 0, 1, 1]], np.float32)
    np.testing.assert_allclose(heat_overlap(boxes, heatmap), [1, 0.25, 0.25])


def test_no_box_has_no_heat():
    assert heat_overlap(np.zeros((0, 4), np.float32), np.ones((4, 4), np.float32)).shape == (0,)


def test_sounding_is_the_calibrated_heat():
    heat = np.array([0.0, 0.2, 0.5, 1.0])
    plain = sounding_of(heat, Sounding(scale=1, offset=0))
    np.testing.assert_allclose(plain, [0.001, 0.2, 0.5, 0.999])
    steeper = sounding_of(heat, Sounding(scale=2, offset=np.log(3)))
    odds = (heat.clip(0.001, 0.999) / (1 - heat.clip(0.001, 0.999))) ** 2 * 3
    np.testing.assert_allclose(steeper, odds / (1 + odds))
    assert sounding_of(heat, Sounding(scale=1e3, offset=0)).tolist() == pytest.approx([0, 0, 0.5, 1])


def test_a_box_around_two_things_is_none():
    both, left, right = (0.0, 0.4, 1.0, 0.9), (0.05, 0.45, 0.4, 0.85), (0.5, 0.5, 0.95, 0.85)
    boxes = np.array([both, left, right], np.float32)
    scores, labels = np.array([0.7, 0.65, 0.62], np.float32), np.array([2, 0, 1])
    assert around_several(boxes, scores, labels).tolist() == [True, False, False]
    # two of one kind may be one thing in two parts, and a faint box inside says nothing
    assert not around_several(boxes, scores, np.array([2, 0, 0])).any()
    assert not around_several(boxes, np.array([0.7, 0.65, 0.5], np.float32), labels).any()
    assert not around_several(boxes[:2], scores[:2], labels[:2]).any()
