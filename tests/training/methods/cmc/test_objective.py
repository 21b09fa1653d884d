import math

import pytest
import torch

from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import view_similarity
from training.methods.cmc.objective import contrasted_pairs, info_nce


@pytest.mark.parametrize(
    ("n_views", "objective", "pairs"),
    [
        (2, "pairwise", [(0, 1)]),
        (2, "core", [(0, 1)]),
        (2, "full", [(0, 1)]),
        (3, "pairwise", [(0, 1)]),
        (3, "core", [(0, 1), (0, 2)]),
        (3, "full", [(0, 1), (0, 2), (1, 2)]),
        (4, "pairwise", [(0, 1)]),
        (4, "core", [(0, 1), (0, 2), (0, 3)]),
        (4, "full", [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]),
    ],
)
def test_pairs_of_each_objective(n_views, objective, pairs):
    assert contrasted_pairs(n_views, objective) == tuple(pairs)


def test_one_view_is_contrasted_with_nothing():
    with pytest.raises(ValueError, match="nothing to contrast 1 view"):
        contrasted_pairs(1, "full")


@pytest.mark.parametrize("views", [("audio",), ("audio", "crop"), ("audio", "frame", "frame"), ()])
def test_views_are_sound_frame_and_others_once_each(views):
    with pytest.raises(ValueError, match="each once"):
        CmcConfig(views=views)


def test_identical_scores_have_the_loss_of_guessing_twice():
    assert info_nce(torch.full((7, 7), 0.4), temperature=0.07).item() == pytest.approx(2 * math.log(7))


def test_random_scores_have_the_loss_of_the_expansion():
    k, deviation, temperature = 2000, 0.06, 0.1
    scores = deviation * torch.randn(k, k, generator=torch.Generator().manual_seed(0))
    expected = 2 * (math.log(k) + deviation**2 / (2 * temperature**2))
    assert info_nce(scores, temperature=temperature).item() == pytest.approx(expected, abs=0.05)


def test_two_items_by_hand():
    # From 1 to 2 the rows: log(1 + e^-2) and log(1 + e^0). From 2 to 1 the columns: log(1 + e^-1) twice.
    loss = info_nce(torch.tensor([[0.2, 0.0], [0.1, 0.1]]), temperature=0.1)
    rows, columns = math.log(1 + math.e**-2) + math.log(2), 2 * math.log(1 + math.e**-1)
    assert loss.item() == pytest.approx((rows + columns) / 2)


def test_excluded_pairs_are_no_negatives():
    scores = torch.zeros(3, 3)
    scores[0, 1] = 5.0  # would cost much if it counted
    same_clip = torch.tensor([[True, True, False], [True, True, False], [False, False, True]])
    # Items 0 and 1 are left with one negative each, item 2 with two.
    expected = 2 * (2 * math.log(2) + math.log(3)) / 3
    assert info_nce(scores, temperature=1.0, excluded=same_clip).item() == pytest.approx(expected)


def test_sound_is_compared_with_the_best_cells():
    sounds = torch.tensor([[1.0, 0], [0, 1]])
    dense = torch.tensor([[[1.0, 0], [0.6, 0.8], [-1, 0]], [[0, 1.0], [0, -1], [0.6, -0.8]]])
    by_hand = torch.tensor([[(1 + 0.6) / 2, (0.6 + 0) / 2], [(0.8 + 0) / 2, (1 - 0.8) / 2]])
    assert torch.allclose(view_similarity(sounds, dense, cells=2), by_hand)
    assert torch.allclose(view_similarity(dense, sounds, cells=2), by_hand.T)
    assert torch.allclose(view_similarity(sounds, dense, cells=1), torch.tensor([[1, 0.6], [0.8, 1]]))
    everything = view_similarity(sounds, dense, cells=100)
    assert torch.allclose(everything, torch.einsum("bw,clw->bc", sounds, dense) / 3, atol=1e-6)


def test_two_dense_views_are_compared_by_their_means():
    first = torch.tensor([[[1.0, 0], [0, 1]], [[1, 0], [1, 0]]])  # means along (1, 1) and (1, 0)
    second = torch.tensor([[[0.0, 1], [0, 1]], [[-1, 0], [-1, 0]]])
    half = 0.5**0.5
    assert torch.allclose(view_similarity(first, second, cells=1), torch.tensor([[half, -half], [0, -1]]))


def test_sound_with_sound_is_a_product():
    sounds = torch.tensor([[1.0, 0], [0.6, 0.8]])
    assert torch.allclose(view_similarity(sounds, sounds, cells=3), torch.tensor([[1, 0.6], [0.6, 1]]))
