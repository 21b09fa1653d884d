import numpy as np
import pytest

from training.metrics import intervals
from training.metrics.intervals import bootstrap, bootstrap_each, bootstrap_mean, resample_indices


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


def test_draws_do_not_depend_on_how_many_fit_into_the_memory(monkeypatch):
    whole = np.concatenate(list(resample_indices(37)))
    monkeypatch.setattr(intervals, "_BLOCK", 500)
    blocks = list(resample_indices(37))
    assert len(blocks) > 100
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_any_statistic_can_be_resampled_by_index():
    top, bottom = np.arange(1.0, 9.0), np.arange(2.0, 18.0, 2.0)
    ratio = bootstrap(lambda rows: float(top[rows].mean() / bottom[rows].mean()), 8)
    assert (ratio.value, ratio.low, ratio.high) == (0.5, 0.5, 0.5)


def test_a_mean_is_the_same_statistic():
    values = np.random.default_rng(5).random(12)
    groups = np.array([0, 0, 1, 1, 1, 2, 3, 4, 4, 5, 6, 7])
    for given in (None, groups):
        mean = bootstrap_mean(values, groups=given)
        general = bootstrap(lambda rows: float(values[rows].mean()), 12, groups=given)
        assert (general.value, general.low, general.high) == pytest.approx((mean.value, mean.low, mean.high))
        assert general.n == mean.n


def test_statistics_that_come_together_are_those_that_come_alone():
    values = np.random.default_rng(6).random(9)
    largest, mean = bootstrap_each(lambda rows: (float(values[rows].max()), float(values[rows].mean())), 9)
    assert largest == bootstrap(lambda rows: float(values[rows].max()), 9)
    assert mean == bootstrap(lambda rows: float(values[rows].mean()), 9)


def test_groups_are_drawn_whole():
    # Ten pictures with four sources each that share their fate: four times the sources, but only ten draws.
    pictures = np.r_[np.ones(5), np.zeros(5)]
    sources = np.repeat(pictures, 4)
    groups = np.repeat(np.arange(10), 4)
    apart, together = bootstrap_mean(sources), bootstrap_mean(sources, groups=groups)
    assert (apart.n, together.n) == (40, 10)
    assert apart.value == together.value == 0.5
    assert together == bootstrap_mean(pictures)
    assert together.high - together.low > 1.5 * (apart.high - apart.low)
    seen = set()
    bootstrap(lambda rows: seen.add(len(rows) % 4) or 0.0, 40, groups=groups)
    assert seen == {0}


def test_the_number_of_a_group_and_its_place_do_not_matter():
    values = np.array([1.0, 0.0, 0.0, 1.0, 0.25])
    named = bootstrap_mean(values, groups=np.array([7, 3, 7, 3, 90]))
    assert named == bootstrap_mean(values, groups=np.array([0, 1, 0, 1, 2]))


def test_resamples_without_a_value_are_left_out():
    values = np.array([0.0, 0.0, 1.0])
    estimate = bootstrap(lambda rows: 1.0 if values[rows].any() else float("nan"), 3)
    assert (estimate.low, estimate.high) == (1.0, 1.0)


def test_nothing_has_no_interval():
    with pytest.raises(ValueError, match="nothing"):
        bootstrap_mean([])
    with pytest.raises(ValueError, match="nothing"):
        bootstrap(float, 0)
