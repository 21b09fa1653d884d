import numpy as np
import pytest

from training.metrics.ranking import average_precision, ends_of_ties, f1


def test_precision_is_made_to_fall_before_the_area_is_taken():
    # Hit, miss, hit of two to be found: recall .5, .5, 1 and precision 1, 1/2, 2/3. The dip to 1/2 is filled
    # by the 2/3 beyond it: .5 * 1 + 0 * 2/3 + .5 * 2/3 = 5/6.
    assert average_precision([0.5, 0.5, 1.0], [1.0, 0.5, 2 / 3]) == pytest.approx(5 / 6)


def test_what_is_never_found_has_no_area():
    # One of four found, first of all: .25 * 1. Nothing beyond recall .25.
    assert average_precision([0.25, 0.25], [1.0, 0.5]) == 0.25
    assert average_precision([], []) == 0.0


def test_a_threshold_cannot_cut_between_equal_values():
    assert ends_of_ties(np.array([0.9, 0.5, 0.5, 0.1])).tolist() == [0, 2, 3]
    assert ends_of_ties(np.array([0.4, 0.4])).tolist() == [1]


def test_f1_is_the_harmonic_mean_and_zero_without_any_hit():
    # 2 * .5 * 1 / 1.5 = 2/3
    np.testing.assert_allclose(f1(np.array([0.5, 0.0]), np.array([1.0, 0.0])), [2 / 3, 0.0])
