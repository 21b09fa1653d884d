import numpy as np
import pytest

from training.metrics.dsol import (
    DUET_SUCCESS,
    SYNTHETIC_SHARE,
    above_share,
    duet_scores,
    solo_iou,
    sum_clusters,
)
from training.metrics.localization import success


def halves(left, right):
    """A 4 x 4 map with one value in its left half and another in its right half."""
    return np.repeat([[left, left, right, right]], 4, axis=0).astype(float)


LEFT, RIGHT = halves(1, 0) > 0, halves(0, 1) > 0


def test_the_mask_lies_above_a_share_of_the_maximum():
    # A tenth of 4 is .4: what equals it is not above it.
    assert above_share(np.array([[4.0, 0.4, 0.41]]), 0.1).tolist() == [[True, False, True]]
    assert not above_share(np.zeros((2, 2)), 0.1).any()


def test_solo_iou_takes_everything_above_a_tenth():
    assert solo_iou(halves(1, 0.05), LEFT) == 1.0
    assert solo_iou(halves(1, 0.2), LEFT) == 0.5  # the whole picture, half of it right


def test_a_duet_worked_by_hand():
    maps = np.stack([halves(1, 0.1), halves(0.5, 1), halves(0.1, 0.9), halves(0.1, 0.1)])
    # Class 0 at .2 of 1: its left half, IoU 1. Class 1: both halves, IoU 1/2. CIoU = 3/4.
    # Silent: class 2 is dark (<= .2) in one half, class 3 everywhere. NSA = 3/4.
    scores = duet_scores(maps, {0: LEFT, 1: RIGHT})
    assert (scores.ciou, scores.silent_area) == (0.75, 0.75)
    # At half of the maximum class 1 keeps its right half only (.5 is not above .5): CIoU = 1.
    assert duet_scores(maps, {0: LEFT, 1: RIGHT}, share=SYNTHETIC_SHARE).ciou == 1.0
    assert success([0.3, 0.29], threshold=DUET_SUCCESS).tolist() == [True, False]


def test_without_a_silent_class_there_is_no_silent_area():
    assert duet_scores(halves(1, 0)[None], {0: LEFT}).silent_area is None


def test_without_a_sounding_class_there_is_no_figure():
    with pytest.raises(ValueError, match="sounds"):
        duet_scores(halves(1, 0)[None], {})


def test_clusters_of_one_class_add_up():
    maps = np.stack([halves(1, 0), halves(0, 1), halves(0.5, 0)])
    matched = np.array([[True, False, True], [False, True, False]])
    np.testing.assert_array_equal(sum_clusters(maps, matched), [halves(1.5, 0), halves(0, 1)])
