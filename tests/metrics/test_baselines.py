import numpy as np
import pytest

from training.metrics.baselines import centre_disc, centre_ranks, centred_square, mean_prior, whole_image
from training.metrics.localization import Rule, binarize
from training.metrics.masks import SIDE, rasterize_box


def test_the_whole_image_is_marked_by_every_rule():
    truth = rasterize_box((0, 0, 0.1, 0.1))
    assert all(binarize(whole_image(), rule, truth=truth).all() for rule in Rule)


def test_the_square_has_the_width_of_its_fraction():
    mask = centred_square(0.5)
    width = round(SIDE * 0.5**0.5)
    assert mask.sum() == width**2
    start = (SIDE - width) // 2
    assert np.argwhere(mask).min(0).tolist() == [start, start]


def test_the_disc_fills_half_or_the_area_of_the_truth_around_the_centre():
    truth = rasterize_box((0, 0, 0.25, 0.5))
    disc = centre_disc()
    for rule in (Rule.ABSOLUTE, Rule.HALF, Rule.MINMAX):
        assert binarize(disc, rule).mean() == pytest.approx(0.5, abs=1e-4)
    marked = binarize(disc, Rule.AREA, truth=truth)
    assert marked.sum() == truth.sum()
    np.testing.assert_allclose(np.argwhere(marked).mean(0), (SIDE - 1) / 2, atol=0.2)


def test_ranks_are_a_permutation_that_starts_at_the_centre():
    ranks = centre_ranks(side=6)
    assert sorted(ranks.ravel().tolist()) == list(range(36))
    assert set(ranks[2:4, 2:4].ravel().tolist()) == {0, 1, 2, 3}


def test_the_prior_counts_how_often_a_pixel_sounds():
    prior = mean_prior([rasterize_box((0, 0, 1, 1)), rasterize_box((0, 0, 0.5, 1))])
    assert prior[0, 0] == 1.0
    assert prior[0, -1] == 0.5
