import numpy as np
import pytest

from training.methods.avdet.boxes import BETAS, BoxRule, best_beta, heat_boxes

# Side of 64, at which a map is looked at as it is.
CORE, HALO = (0.25, 0.25, 0.5, 0.5), (0.125, 0.125, 0.625, 0.625)


def target():
    """A core of 16 x 16 pixels at 1 in a halo of 32 x 32 at 0.6: the mean is (256 + 768 * 0.6) / 4096."""
    heat = np.zeros((64, 64), np.float32)
    heat[8:40, 8:40] = 0.6
    heat[16:32, 16:32] = 1
    return heat


def boxes_of(*maps, **rule):
    return heat_boxes(np.stack(maps), BoxRule(**{"beta": 0.5, **rule}))


@pytest.mark.parametrize(
    ("beta", "box"),
    [
        (0.5, HALO),  # above 0.5 + 0.5 * 0.175 = 0.587
        (0.6, CORE),  # above 0.6 + 0.4 * 0.175 = 0.670
    ],
)
def test_hot_is_what_exceeds_a_mixture_of_maximum_and_mean(beta, box):
    assert boxes_of(target(), beta=beta).tolist() == [list(box)]


def test_a_box_is_drawn_around_the_largest_piece_not_the_hottest():
    heat = np.zeros((64, 64), np.float32)
    heat[4:12, 40:48] = 1
    heat[40:52, 8:24] = 0.9
    assert boxes_of(heat).tolist() == [[8 / 64, 40 / 64, 24 / 64, 52 / 64]]


@pytest.mark.parametrize(
    ("rule", "plausible"),
    [
        ({"smallest": 0.25}, True),  # the halo has a quarter of the area
        ({"smallest": 0.26}, False),
        ({"largest": 0.25}, True),
        ({"largest": 0.24}, False),
        ({"faintest": 1.0}, True),
        ({"faintest": 1.01}, False),
    ],
)
def test_a_box_that_is_too_small_too_large_or_too_faint_is_none(rule, plausible):
    assert np.isfinite(boxes_of(target(), **rule)).all() == plausible


def test_a_map_without_anything_that_stands_out_gives_no_box_and_leaves_the_others():
    dark, even = np.zeros((64, 64), np.float32), np.full((64, 64), 0.5, np.float32)
    boxes = boxes_of(dark, target(), even)
    assert np.isnan(boxes[[0, 2]]).all()
    assert boxes[1].tolist() == list(HALO)
    assert heat_boxes(np.zeros((0, 64, 64), np.float32), BoxRule(0.5)).shape == (0, 4)


def test_a_block_of_cells_is_boxed_in_its_place():
    heat = np.zeros((2, 8, 8))
    heat[0, 0:2, 4:8] = heat[1, 5:8, 0:3] = 0.8
    wanted = [[0.5, 0, 1, 0.25], [0, 0.625, 0.375, 1]]
    np.testing.assert_allclose(heat_boxes(heat, BoxRule(0.5)), wanted, atol=0.04)


@pytest.mark.parametrize(("truth", "beta"), [(HALO, 0.1), (CORE, 0.6)])
def test_the_best_beta_is_the_one_whose_boxes_fit(truth, beta):
    assert best_beta(target()[None], np.float32([truth])) == (beta, 1.0)
    assert beta in BETAS


def test_a_map_without_a_box_fits_nothing():
    dark = np.zeros_like(target())
    assert best_beta(np.stack([dark, target()]), np.float32([CORE, CORE])) == (0.6, 0.5)
