import numpy as np
import pytest

from app.pipeline.detect import sounding_of
from training.methods.avdet.calibration import (
    USUAL_THRESHOLD,
    Sounding,
    best_threshold,
    fit_sounding,
)


def threshold(scores, hits, n_truth):
    return best_threshold(np.float64(scores), np.array(hits, bool), n_truth)


def test_the_threshold_is_where_f1_is_highest():
    # F1 by falling score: 2/3, 2/4, 4/5, 4/6.
    assert threshold([0.6, 0.9, 0.7, 0.8], [0, 1, 1, 0], 2) == 0.7
    # With many boxes left unfound it pays to go on: 2/11, 2/12, 4/13, 4/14.
    assert threshold([0.6, 0.9, 0.7, 0.8], [0, 1, 1, 0], 10) == 0.7
    assert threshold([0.9, 0.8, 0.7], [1, 0, 0], 1) == 0.9


def test_the_threshold_keeps_off_the_ends_and_is_the_usual_one_without_a_hit():
    assert threshold([0.99], [1], 1) == 0.95
    assert threshold([0.03], [1], 1) == 0.05
    assert threshold([0.9, 0.8], [0, 0], 3) == USUAL_THRESHOLD
    assert threshold([], [], 3) == USUAL_THRESHOLD


@pytest.fixture
def overlaps():
    """400 overlaps, and whether those boxes sound: the more overlap, the likelier."""
    rng = np.random.default_rng(0)
    overlap = rng.uniform(0, 1, 400)
    return overlap, rng.uniform(0, 1, 400) < 1 / (1 + np.exp(-12 * (overlap - 0.3)))


def test_the_more_a_box_and_the_heat_overlap_the_likelier_it_sounds(overlaps):
    fitted = fit_sounding(*overlaps)
    probability = sounding_of(np.linspace(0, 1, 21), fitted)
    assert (np.diff(probability) >= 0).all()
    assert probability[2] < 0.3 < 0.7 < probability[10]
    told = sounding_of(overlaps[0], fitted) >= fitted.threshold
    assert (told == overlaps[1]).mean() > 0.85
    # The threshold can be anywhere: what counts is which boxes it tells apart.
    rare = fit_sounding(overlaps[0], overlaps[0] > 0.9)
    assert (sounding_of(np.array([0.7, 0.99]), rare) >= rare.threshold).tolist() == [False, True]


@pytest.mark.parametrize("upside_down", [False, True])
def test_a_box_without_heat_stays_silent(overlaps, upside_down):
    overlap, sounding = overlaps
    fitted = fit_sounding(1 - overlap if upside_down else overlap, sounding)
    assert fitted.scale > 0
    assert sounding_of(np.array([0.0]), fitted)[0] < fitted.threshold < 1


def test_too_few_boxes_of_either_kind_give_the_usual_answer(overlaps):
    overlap = overlaps[0][:60]
    for count in (0, 19, 41, 60):
        assert fit_sounding(overlap, np.arange(60) < count) == Sounding()
    assert fit_sounding(overlap, np.arange(60) < 20) != Sounding()
