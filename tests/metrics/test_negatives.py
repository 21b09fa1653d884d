import numpy as np
import pytest

from training.metrics.negatives import confidence, extended_scores


def test_confidence_is_the_mean_of_the_largest_quarter():
    values = np.arange(16.0).reshape(4, 4)
    assert confidence(values) == (12 + 13 + 14 + 15) / 4
    assert confidence(np.zeros((224, 224))) == 0


def test_confidence_counts_ties_only_as_far_as_the_quarter_goes():
    # Eight of sixteen are 1; the quarter holds four of them.
    values = np.r_[np.ones(8), np.zeros(8)].reshape(4, 4)
    assert confidence(values) == 1


def test_the_sweep_worked_by_hand():
    # By falling confidence: right, silent, wrong place, right below it; three sound, one does not.
    #   t    TP FP FN   precision  recall
    #   .9   1  0  2    1          1/3
    #   .8   1  1  2    1/2        1/3
    #   .6   1  2  1    1/3        1/2      the wrong place is a false positive and no false negative
    #   .4   2  2  0    1/2        1
    # Interpolated precision: 1, 1/2, 1/2, 1/2. AP = 1/3 * 1 + 0 + 1/6 * 1/2 + 1/2 * 1/2 = 2/3.
    # F1: 1/2, 2/5, 2/5, 2/3.
    scores = extended_scores([0.9, 0.8, 0.6, 0.4], [0.7, 0.0, 0.2, 0.5], [True, False, True, True])
    assert scores.average_precision == pytest.approx(2 / 3)
    assert scores.max_f1 == pytest.approx(2 / 3)
    # cIoU of .5 exactly is a true positive (>=) but no success of LocAcc (>): one of three.
    assert scores.accuracy == pytest.approx(1 / 3)


def test_the_order_of_the_pairs_does_not_matter():
    confidences = np.array([0.9, 0.8, 0.6, 0.6, 0.4])
    ious = np.array([0.7, 0.0, 0.2, 0.9, 0.5])
    sounding = np.array([True, False, True, True, True])
    expected = extended_scores(confidences, ious, sounding)
    for order in ([4, 3, 2, 1, 0], [2, 3, 0, 4, 1], [3, 2, 4, 0, 1]):
        assert extended_scores(confidences[order], ious[order], sounding[order]) == expected


def test_equal_confidences_are_detected_together():
    # One right and one silent pair at the same confidence: TP 1, FP 1, nothing missed.
    scores = extended_scores([0.5, 0.5], [1.0, 0.0], [True, False])
    assert (scores.average_precision, scores.max_f1) == (0.5, pytest.approx(2 / 3))


def test_a_map_that_is_sure_of_silence_loses_everything_before_it():
    # Silent pairs first: at the lowest threshold TP 1, FP 2, recall 1, precision 1/3.
    scores = extended_scores([0.9, 0.8, 0.1], [0.0, 0.0, 1.0], [False, False, True])
    assert scores.average_precision == pytest.approx(1 / 3)
    assert scores.accuracy == 1


def test_without_any_right_place_nothing_is_reached():
    scores = extended_scores([0.9, 0.1], [0.1, 0.0], [True, False])
    assert (scores.average_precision, scores.max_f1, scores.accuracy) == (0, 0, 0)


def test_without_a_sounding_pair_there_is_nothing_to_measure():
    with pytest.raises(ValueError, match="sounding pair"):
        extended_scores([0.5], [0.0], [False])
