import math

import pytest
import torch

from tests.training.methods.stan.made_network import (
    CELLS,
    EVENTS,
    HEADS,
    SEEN,
    SOUND,
    STEPS,
    N,
    all_shown,
    random_clips,
    random_masks,
    random_network,
)
from training.methods.stan.network import Clips, Masks, SpaceTime

BASELINES = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]  # blurred, silent


@pytest.fixture
def network():
    return random_network().requires_grad_(False)


def logits(network, clips, masks=None):
    return network(clips, masks)[0].logits


def test_a_clip_worked_by_hand():
    """One head, two steps of two cells, two channels that are at once the space of names, and two events."""
    network = SpaceTime(2, 1, torch.eye(2), heads=1, width=1).requires_grad_(False)
    network.values[:] = torch.eye(2)
    network.scale.fill_(2)
    network.bias[:] = torch.tensor([-1.0, 0.5])
    network.trust.fill_(3)
    network.query.weight.fill_(1)
    network.key.weight[:] = torch.tensor([[1.0, 0.0]])
    network.prior.fill_(0)
    network.in_time[:] = torch.tensor([1.0, 0.5, 0.25, 2.0])
    network.fusion[:] = torch.tensor([0.7, 0.4, 0.1])
    clip = Clips(
        seen=torch.tensor([[[[1.0, 2.0], [0.0, -1.0]], [[0.0, 0.0], [0.0, 4.0]]]]),
        heard=torch.tensor([[[math.log(3)], [5.0]]]),
        told=torch.tensor([[[1.0, -1.0], [0.0, 2.0]]]),
        heat=torch.ones(1, 2, 2),
        there=torch.ones(1, 2, dtype=torch.bool),
    )
    recognised, attention = network(clip)
    # Scores of the first step are log 3 and 0, those of the second are equal.
    space = torch.tensor([[0.75, 0.25], [0.5, 0.5]])
    assert torch.allclose(attention.space[0, :, 0], space)
    sight = torch.tensor([[2 * 0.75 - 1, 2 * 1.25 + 0.5], [-1.0, 2 * 2 + 0.5]])
    sound = 3 * clip.told[0]
    when_sight = (sight + 0.5 * sound).softmax(0)
    when_sound = (0.25 * sound + 2 * sight).softmax(0)
    assert torch.allclose(attention.sight[0], when_sight)
    assert torch.allclose(attention.sound[0], when_sound)
    seen, heard = (when_sight * sight).sum(0), (when_sound * sound).sum(0)
    assert torch.allclose(recognised.by_sight[0], seen)
    assert torch.allclose(recognised.by_sound[0], heard)
    assert torch.allclose(recognised.logits[0], 0.7 * seen + 0.4 * heard + 0.1)


def test_attention_has_sum_one(network):
    _, attention = network(random_clips())
    assert attention.space.shape == (N, STEPS, HEADS, CELLS)
    assert torch.allclose(attention.space.sum(3), torch.ones(N, STEPS, HEADS))
    for part in (attention.sight, attention.sound):
        assert part.shape == (N, STEPS, EVENTS)
        assert torch.allclose(part.sum(1), torch.ones(N, EVENTS))


def test_without_a_query_attention_in_space_is_the_heat(network):
    network.query.weight.zero_()
    network.prior.fill_(1)
    clips = random_clips()
    _, attention = network(clips)
    shares = (clips.heat / clips.heat.sum(2, keepdim=True))[:, :, None]
    assert torch.allclose(attention.space, shares.expand(-1, -1, HEADS, -1), atol=2e-3)
    network.prior.zero_()
    _, attention = network(clips)
    assert torch.allclose(attention.space, torch.full_like(attention.space, 1 / CELLS))


def test_the_prediction_is_what_attention_weighs_and_nothing_else(network):
    clips = random_clips()
    recognised, attention = network(clips)
    for event in range(EVENTS):
        for n in range(N):
            one = Clips(*(part[n : n + 1] for part in clips))
            evidence = network.evidence(one, torch.tensor(event))
            sight = (attention.space[n] * evidence).sum((1, 2)) + network.bias[event]
            sound = network.trust * clips.told[n, :, event]
            seen = (attention.sight[n, :, event] * sight).sum()
            heard = (attention.sound[n, :, event] * sound).sum()
            fused = network.fusion[0] * seen + network.fusion[1] * heard + network.fusion[2]
            torch.testing.assert_close(recognised.logits[n, event], fused, atol=1e-5, rtol=1e-5)


def test_without_values_the_picture_says_the_bias_whatever_it_shows(network):
    network.values.zero_()
    recognised, _ = network(random_clips())
    assert torch.allclose(recognised.by_sight, network.bias.expand(N, -1))


def test_steps_that_are_not_there_get_no_attention_and_change_nothing(network):
    clips = random_clips(steps=STEPS - 1)
    expected, attention = network(clips)
    rubbish = random_clips(steps=1, seed=9)
    there = torch.zeros(N, 1, dtype=torch.bool)
    padded = Clips(*(torch.cat(parts, 1) for parts in zip(clips, rubbish._replace(there=there), strict=True)))
    found, more = network(padded)
    assert not more.sight[:, -1].any()
    assert not more.sound[:, -1].any()
    for wanted, part in zip((*expected, *attention), (*found, *more), strict=True):
        assert torch.allclose(part[:, : wanted.shape[1]], wanted, atol=1e-6)


def test_all_shown_is_the_same_as_no_masks(network):
    clips = random_clips()
    for wanted, part in zip(network(clips)[0], network(clips, all_shown())[0], strict=True):
        torch.testing.assert_close(part, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("event", range(EVENTS))
def test_one_event_is_the_same_as_all_events_together(network, event):
    versions = 5
    clip = random_clips(1)
    clip.there[0, -1] = False
    many = Clips(*(part.expand(versions, *part.shape[1:]) for part in clip))
    cases = [all_shown(versions)]
    cases += [random_masks(versions, blurred=blurred, silent=silent) for blurred, silent in BASELINES]
    soft = Masks(*(torch.rand_like(part) for part in all_shown(versions)))
    for masks in (*cases, soft):
        recognised, _ = network(many, masks)
        found, seen, heard = network.one_event(clip, masks, torch.tensor(event))
        torch.testing.assert_close(found, recognised.logits[:, event], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(
            seen, network.fusion[0] * recognised.by_sight[:, event], atol=1e-5, rtol=1e-5
        )
        torch.testing.assert_close(
            heard, network.fusion[1] * recognised.by_sound[:, event], atol=1e-5, rtol=1e-5
        )
    assert logits(network, many, cases[1]).std(0).min() > 1e-3  # versions differ


@pytest.mark.parametrize("silent", [0.0, 1.0])
def test_what_hidden_cells_show_changes_nothing(network, silent):
    clips, masks = random_clips(), random_masks(silent=silent)
    hidden = masks.cells == 0
    seen, heat = clips.seen.clone(), clips.heat.clone()
    seen[hidden], heat[hidden] = torch.randn(int(hidden.sum()), SEEN), torch.rand(int(hidden.sum()))
    changed = clips._replace(seen=seen, heat=heat)
    assert torch.allclose(logits(network, changed, masks), logits(network, clips, masks), atol=1e-6)
    assert not torch.allclose(logits(network, changed), logits(network, clips), atol=1e-2)


@pytest.mark.parametrize(("blurred", "silent"), BASELINES)
def test_the_sound_of_hidden_steps_changes_nothing(network, blurred, silent):
    clips, masks = random_clips(), random_masks(blurred=blurred, silent=silent)
    hidden = masks.steps == 0
    changed = clips._replace(
        heard=clips.heard.masked_fill(hidden[..., None], 3.0),
        told=clips.told.masked_fill(hidden[..., None], 4.0),
        heat=clips.heat.masked_fill(hidden[..., None], 0.5),  # which follows from the sound
    )
    assert torch.allclose(logits(network, changed, masks), logits(network, clips, masks), atol=1e-6)
    assert not torch.allclose(logits(network, changed), logits(network, clips), atol=1e-2)


def test_a_blurred_frame_shows_its_mean(network):
    """A frame all of whose cells show the mean is one of equal cells without heat."""
    clips = random_clips()
    masks = all_shown()._replace(cells=torch.zeros(N, STEPS, CELLS), blurred=torch.ones(N))
    even = clips.seen.mean(2, keepdim=True).expand_as(clips.seen)
    flat = clips._replace(seen=even, heat=torch.zeros_like(clips.heat))
    assert torch.allclose(logits(network, clips, masks), logits(network, flat), atol=1e-5)


def test_silence_sounds_like_silence_and_the_mean_of_all_sounds_like_that(network):
    clips = random_clips()
    masks = all_shown()._replace(steps=torch.zeros(N, STEPS))
    unheard = clips._replace(heat=torch.zeros_like(clips.heat))
    for silent, heard, told in (
        (1.0, network.silence_heard, network.silence_told),
        (0.0, torch.zeros(SOUND), network.usual_told),
    ):
        same = unheard._replace(heard=heard.expand(N, STEPS, -1), told=told.expand(N, STEPS, -1))
        found = logits(network, clips, masks._replace(silent=torch.full((N,), silent)))
        assert torch.allclose(found, logits(network, same), atol=1e-5)


@pytest.mark.parametrize("silent", [0.0, 1.0])
def test_with_everything_hidden_all_clips_are_alike(network, silent):
    masks = Masks(*(torch.zeros_like(part) for part in all_shown(6)))._replace(
        silent=torch.full((6,), silent)
    )
    found = logits(network, random_clips(6), masks)
    assert torch.allclose(found, found[:1].expand_as(found), atol=1e-6)
    told = network.silence_told if silent else network.usual_told
    wanted = network.fusion[0] * network.bias + network.fusion[1] * network.trust * told + network.fusion[2]
    assert torch.allclose(found[0], wanted, atol=1e-5)


def test_reset_gives_random_weights_of_before_any_training(network):
    trained = {name: part.clone() for name, part in network.named_parameters()}
    network.reset()
    assert all(not torch.equal(part, trained[name]) for name, part in network.named_parameters())
    assert network.prior.tolist() == [0] * HEADS
    assert network.fusion.tolist() == [0.5, 0.5, 0]
    assert float(network.trust) == 1
    assert network.bias.unique().tolist() == [-3]
    # Of what is seen the last channels are the point in the space of names: they speak for the names.
    space = network.values[:, -4:].mean(0)
    assert torch.allclose(space, torch.eye(4), atol=0.1)
