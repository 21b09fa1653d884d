import numpy as np
import pytest

from app.pipeline.perturbation import SHARES, areas, measure, shown_parts
from app.results.model import Areas

WEIGHTS = np.array([0.1, 0.4, 0.2, 0.3], np.float32)


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_areas_of_a_sum_of_shown_weights_are_as_worked_out_by_hand():
    found = measure(lambda masks: masks @ WEIGHTS, WEIGHTS, _rng())
    # Of four parts 0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4 are shown.
    most = [0, 0, 0.4, 0.4, 0.7, 0.7, 0.7, 0.9, 0.9, 1, 1]
    least = [0, 0, 0.1, 0.1, 0.3, 0.3, 0.3, 0.6, 0.6, 1, 1]
    assert found.insertion == found.least_deletion == pytest.approx(0.1 * (sum(most) - 0.5))
    assert found.deletion == found.least_insertion == pytest.approx(0.1 * (sum(least) - 0.5))


def test_the_own_order_beats_a_random_one_which_beats_the_reverse():
    weights = np.random.default_rng(1).dirichlet(np.full(200, 0.2)).astype(np.float32)
    found = measure(lambda masks: masks @ weights, weights, _rng())
    assert found.insertion > found.random_insertion > found.least_insertion
    assert found.deletion < found.random_deletion < found.least_deletion
    assert found.random_insertion == pytest.approx(0.5, abs=0.1)
    assert found.faithful


def test_weights_that_say_the_opposite_are_not_faithful():
    weights = np.random.default_rng(1).dirichlet(np.full(200, 0.2)).astype(np.float32)
    assert not measure(lambda masks: masks @ weights, -weights, _rng()).faithful


@pytest.mark.parametrize(("deletion", "insertion"), [(0.2, 0.5), (0.5, 0.8)])
def test_faithful_means_better_than_random_both_ways(deletion, insertion):
    assert Areas(0.2, 0.8, 0.5, 0.5, 0.8, 0.2).faithful
    assert not Areas(deletion, insertion, 0.5, 0.5, 0.8, 0.2).faithful


def test_most_come_first_then_least_then_random_ones():
    masks = shown_parts(WEIGHTS, _rng(), draws=2).reshape(4, len(SHARES), 4)
    assert masks[0, 2].tolist() == [0, 1, 0, 0]
    assert masks[0, 5].tolist() == [0, 1, 0, 1]
    assert masks[1, 2].tolist() == [1, 0, 0, 0]
    assert masks[1, 5].tolist() == [1, 0, 1, 0]
    assert masks.sum(axis=2).tolist() == [[0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4]] * 4
    assert (np.diff(masks, axis=1) >= 0).all()  # nothing that was shown goes away


def test_shares_of_three_parts_are_rounded():
    masks = shown_parts(np.array([3, 2, 1], np.float32), _rng()).reshape(-1, len(SHARES), 3)
    assert masks[0].sum(axis=1).tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3]


def test_equal_weights_come_in_random_order():
    firsts = set()
    for seed in range(20):
        masks = shown_parts(np.ones(5, np.float32), np.random.default_rng(seed))
        firsts.add(int(masks[2].argmax()))
    assert len(firsts) >= 3


def test_equal_weights_stay_behind_greater_ones():
    weights = np.array([0, 0, 1, 0, 0], np.float32)
    for seed in range(5):
        masks = shown_parts(weights, np.random.default_rng(seed))
        assert masks[2].tolist() == [0, 0, 1, 0, 0]


def test_the_same_seed_gives_the_same_masks():
    weights = np.random.default_rng(3).random(30).astype(np.float32)
    np.testing.assert_array_equal(shown_parts(weights, _rng()), shown_parts(weights, _rng()))


def test_curves_are_taken_in_the_order_of_the_masks():
    curves = np.array([np.full(11, level) for level in (0.9, 0.1, 0.3, 0.4, 0.8)])
    found = areas(curves.ravel())
    assert (found.insertion, found.deletion) == pytest.approx((0.9, 0.1))
    assert found.random_insertion == found.random_deletion == pytest.approx(0.5)
