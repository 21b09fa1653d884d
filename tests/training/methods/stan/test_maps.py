import math

import pytest
import torch
from scipy.stats import spearmanr

from tests.training.methods.stan.made_network import (
    CELLS,
    EVENTS,
    STEPS,
    all_shown,
    random_clips,
    random_network,
)
from training.methods.localiser import Widths
from training.methods.stan.config import StanConfig
from training.methods.stan.module import Stan


@pytest.fixture
def stan():
    """With a random network."""
    module = Stan(StanConfig(), Widths(3, 2, 2), (1, 1, 1), tuple("abc")).eval()
    module.network = random_network().requires_grad_(False)
    return module


@pytest.fixture
def clip():
    """Of heat that is well above nothing, so that attention follows its power."""
    made = random_clips(1)
    return made._replace(heat=0.2 + 0.8 * made.heat)


def maps_of(stan, clip, event):
    _, attention = stan(clip)
    return stan.maps(clip, attention, torch.tensor(event))


@pytest.mark.parametrize("event", range(EVENTS))
def test_each_map_has_sum_one_and_nothing_below_zero(stan, clip, event):
    clip.there[0, -1] = False
    when_audio, when_visual, where = maps_of(stan, clip, event)
    assert where.shape == (STEPS, CELLS)
    for part in (when_audio, when_visual, where):
        assert part.min() >= 0
        assert part.sum().item() == pytest.approx(1, abs=1e-5)
    assert when_audio[-1] == when_visual[-1] == 0
    _, attention = stan(clip)
    assert torch.equal(when_audio, attention.sound[0, :, event])
    assert torch.equal(when_visual, attention.sight[0, :, event])


@pytest.mark.parametrize("event", range(EVENTS))
def test_cells_rank_by_the_derivative_of_the_evidence_by_showing_them(stan, clip, event):
    """With attention that does not move, the map follows autograd exactly."""
    network = stan.network
    network.query.weight.zero_()
    network.prior.zero_()
    network.in_time.zero_()
    shown = torch.ones(1, STEPS, CELLS, requires_grad=True)
    _, seen, _ = network.one_event(clip, all_shown(1)._replace(cells=shown), torch.tensor(event))
    (network.scale.sign() * network.fusion[0].sign() * seen).sum().backward()
    wanted = shown.grad[0].flatten() * network.scale.sign()
    _, _, where = maps_of(stan, clip, event)
    where = where.flatten()
    telling = wanted > -0.5 * wanted.abs().max()  # below that nothing is left of the weight to rank by
    assert telling.sum() > 10
    assert (wanted[telling] < 0).any()
    assert spearmanr(where[telling], wanted[telling]).statistic > 0.999
    against = wanted < -0.1 * wanted.abs().max()
    assert against.any()
    assert where[against].max() < 0.02 * where.max()
    assert where[against].max() < where[wanted > 0].min()


def test_a_map_worked_by_hand(stan, clip):
    """One step counts; of its three cells with heat one speaks for the event and one against it."""
    network = stan.network
    network.query.weight.zero_()
    network.prior.fill_(1)
    network.values.zero_()
    network.values[:, 0] = network.names[0]
    network.scale.fill_(1)
    network.in_time[:] = torch.tensor([0.0, 100, 0, 0])
    clip.told[0, :, 0] = torch.tensor([0.0, 9, 0, 0])
    clip.seen[..., 0] = 0
    clip.seen[0, 1, :2, 0] = torch.tensor([4.0, -1])
    clip.seen[0, 2, 3, 0] = 9  # at a step without attention
    clip.heat[0, 1] = torch.tensor([0.5, 0.25, 0.25, 0, 0, 0])
    _, _, where = maps_of(stan, clip, 0)
    # Attention 1/2 and 1/4 to evidence 4 and -1 adds 2 and -1/4; all other cells add nothing.
    assert where.argmax() == CELLS
    assert where[1, 0] > 0.7
    nothing = where[0, 0]
    assert where[1, 0] / nothing == pytest.approx(2 / (0.02 * 2 * math.log(2)), rel=1e-3)
    assert where[1, 1] < 0.01 * nothing
    assert torch.allclose(where[2], nothing.expand(CELLS), rtol=1e-3)


def test_a_clip_that_says_nothing_has_an_even_map(stan, clip):
    stan.network.values.zero_()
    _, _, where = maps_of(stan, clip, 0)
    assert torch.allclose(where, torch.full((STEPS, CELLS), 1 / (STEPS * CELLS)))
