import numpy as np
import pytest

from training.metrics.localization import (
    Rule,
    binarize,
    ciou,
    covers_centre,
    mass_inside,
    pointing_hit,
    success,
    success_auc,
)
from training.metrics.masks import SIDE, consensus, rasterize_box

BOX = rasterize_box((0.25, 0.25, 0.75, 0.75))


def test_full_overlap_scores_one():
    assert ciou(BOX, BOX) == 1.0


def test_two_annotators_with_the_same_box_agree():
    assert ciou(BOX, consensus([BOX, BOX])) == 1.0


def test_a_single_annotator_weighs_half_in_both_terms():
    # .5 A / .5 A: the weighted ground truth stands in the denominator too.
    assert ciou(BOX, consensus([BOX])) == 1.0


def test_false_positives_cost_a_full_pixel_beside_a_half_weighted_truth():
    wide = rasterize_box((0.0, 0.25, 0.75, 0.75))  # the box and half as much again
    assert ciou(wide, consensus([BOX])) == pytest.approx(0.5 / (0.5 + 0.5))


def test_binary_truth_gives_plain_iou():
    left, right = rasterize_box((0, 0, 0.5, 1)), rasterize_box((0.25, 0, 0.75, 1))
    assert ciou(left, right) == pytest.approx(1 / 3)


def test_empty_truth_scores_zero():
    empty = np.zeros_like(BOX)
    assert ciou(BOX, empty) == 0.0
    assert ciou(empty, empty) == 0.0


def test_success_counts_exactly_half():
    assert success([0.4999, 0.5, 0.7]).tolist() == [False, True, True]


def test_auc_uses_21_thresholds_of_which_the_first_always_passes():
    # Success at 0 only: a trapezoid of width .05. Success everywhere: 1.
    np.testing.assert_allclose(success_auc([0.0, 1.0, 0.5]), [0.025, 1.0, 0.525])


def ramp() -> np.ndarray:
    return np.tile(np.linspace(0.0, 0.4, SIDE), (SIDE, 1))


def test_the_rules_mark_what_their_names_say():
    values = ramp()
    truth = rasterize_box((0.9, 0, 1, 1))
    assert binarize(values, Rule.ABSOLUTE).sum() == 0
    assert binarize(values, Rule.HALF).mean() == 0.5
    assert binarize(values, Rule.MINMAX).mean() == 0.5
    assert binarize(values, Rule.AREA, truth=truth).sum() == pytest.approx(truth.sum(), abs=SIDE)
    assert binarize(values, Rule.AREA, truth=truth)[0].nonzero()[0].min() == pytest.approx(0.9 * SIDE, abs=1)


def test_silence_is_marked_by_every_rule_but_the_absolute_one():
    silent = np.zeros((SIDE, SIDE))
    assert not binarize(silent, Rule.ABSOLUTE).any()
    assert binarize(silent, Rule.HALF).all()
    assert binarize(silent, Rule.MINMAX).all()


def test_the_area_rule_needs_a_truth():
    with pytest.raises(ValueError, match="ground truth"):
        binarize(ramp(), Rule.AREA)


def test_pointing_takes_the_maximum_and_flat_maps_miss():
    values = np.zeros((SIDE, SIDE))
    values[100, 60] = 0.01  # far below the threshold: pointing knows none
    assert pointing_hit(values, BOX)
    values[0, 0] = 0.02
    assert not pointing_hit(values, BOX)
    assert not pointing_hit(np.ones((SIDE, SIDE)), np.ones_like(BOX))


def test_off_centre_means_that_the_centre_is_outside():
    assert covers_centre(BOX)
    assert not covers_centre(rasterize_box((0.6, 0.6, 1, 1)))


def test_mass_is_counted_without_a_threshold():
    truth = np.array([[1.0, 0.5, 0.0]])
    # .2 * 1 + .4 * .5 of .2 + .4 + .4
    assert mass_inside(np.array([[0.2, 0.4, 0.4]]), truth) == pytest.approx(0.4)
    assert mass_inside(np.zeros((1, 3)), truth) == 0
    assert mass_inside(np.ones((SIDE, SIDE)), BOX) == pytest.approx(0.25)
