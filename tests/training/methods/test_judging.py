import pytest
import torch

from training.methods.judging import Seen, fit_scaling, points_at_source, validation_score


def seen(own, *, other=None, cover=None, judged=True):
    """`Seen` of maps of two cells, (N, 1, 2)."""
    own = torch.tensor(own).reshape(-1, 1, 2)
    other = own if other is None else torch.tensor(other).reshape(-1, 1, 2)
    cover = torch.zeros_like(own) if cover is None else torch.tensor(cover).reshape(-1, 1, 2)
    return Seen(own, other, cover, torch.full((len(own),), judged))


def test_a_map_points_at_the_source_if_enough_of_the_cell_belongs_to_it():
    maps = torch.tensor([[[0.1, 0.9], [0.2, 0.3]]]).expand(3, 2, 2)
    cover = torch.tensor([[[0.0, 0.31], [1, 1]], [[0.0, 0.29], [1, 1]], [[1.0, 0], [0, 0]]])
    assert points_at_source(maps, cover).tolist() == [True, False, False]


def test_the_score_is_the_share_of_known_sources_that_are_hit():
    maps = [[0.0, 1], [0, 1], [1, 0], [1, 0]]
    cover = [[0.0, 1], [1, 0], [0, 0.9], [0, 0.2]]  # the last source is hardly in sight, and is not counted
    assert validation_score(seen(maps, cover=cover)) == (pytest.approx(1 / 3), 3)


def test_without_truth_the_score_is_how_often_right_sounds_reach_higher():
    given = seen([[0.1, 0.5], [0.2, 0.3]], other=[[0.4, 0.0], [0.1, 0.2]], cover=[[1.0, 0]] * 2, judged=False)
    # Maxima 0.5 and 0.3 against 0.4 and 0.2: three of four pairs are in order.
    assert validation_score(given) == (0.75, 2)


def probability(scaling, own):
    maximum = own.amax((1, 2), keepdim=True)
    return torch.sigmoid(scaling.slope * own + scaling.contrast * (own - maximum) + scaling.offset)


def test_one_half_parts_cells_with_and_without_source():
    # Sources reach 0.6 and more, the rest of the cells 0.4 and less, in each of the maps.
    own = [[0.6, 0.1], [0.4, 0.9], [0.7, 0.3], [0.2, 0.8]]
    given = seen(own, cover=[[1.0, 0], [0, 1], [1, 0], [0, 1]])
    assert torch.equal(probability(fit_scaling(given), given.own) > 0.5, given.cover > 0.5)


def test_without_truth_one_half_parts_right_and_wrong_sounds_and_contrast_is_0():
    given = seen([[0.0, 0.6], [0.7, 0]], other=[[0.3, 0.2], [0.1, 0.2]], judged=False)
    scaling = fit_scaling(given)
    assert scaling.contrast == 0
    for maps, right in ((given.own, True), (given.other, False)):
        assert ((probability(scaling, maps).amax((1, 2)) > 0.5) == right).all()
