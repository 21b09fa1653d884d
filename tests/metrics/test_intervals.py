import numpy as np
import pytest

from training.metrics.intervals import bootstrap, bootstrap_mean


def test_the_interval_of_a_share_matches_the_normal_one():
    shares = np.r_[np.ones(40), np.zeros(60)]
    estimate = bootstrap_mean(shares, scale=100)
    half_width = 196 * (0.4 * 0.6 / 100) ** 0.5
    assert estimate.value == pytest.approx(40)
    assert estimate.n == 100
    assert estimate.low == pytest.approx(40 - half_width, abs=1.1)
    assert estimate.high == pytest.approx(40 + half_width, abs=1.1)


def test_the_same_data_give_the_same_interval():
    values = np.random.default_rng(3).random(20)
    assert bootstrap_mean(values) == bootstrap_mean(values)
    assert bootstrap_mean(values) != bootstrap_mean(values, seed=1)


def test_any_statistic_can_be_resampled_by_index():
    top, bottom = np.arange(1.0, 9.0), np.arange(2.0, 18.0, 2.0)
    ratio = bootstrap(lambda rows: float(top[rows].mean() / bottom[rows].mean()), 8)
    assert (ratio.value, ratio.low, ratio.high) == (0.5, 0.5, 0.5)


def test_resamples_without_a_value_are_left_out():
    values = np.array([0.0, 0.0, 1.0])
    estimate = bootstrap(lambda rows: 1.0 if values[rows].any() else float("nan"), 3)
    assert (estimate.low, estimate.high) == (1.0, 1.0)


def test_nothing_has_no_interval():
    with pytest.raises(ValueError, match="nothing"):
        bootstrap_mean([])
    with pytest.raises(ValueError, match="nothing"):
        bootstrap(float, 0)
