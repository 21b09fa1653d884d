"""Whether explanations say what the network does, on a network that was trained in a made-up world."""

import numpy as np
import pytest
import torch

from training.metrics.intervals import bootstrap_mean
from training.trial.attributions import OWN, one_event
from training.trial.explained import explained, where_rows
from training.trial.faithfulness import BASELINES, faithful, randomised, where_of

PARTS = ("picture", "sound")


def areas_of(measured, part, method, baseline):
    """Insertion, deletion and that of a random order, clip by clip."""
    found = [getattr(one, part)[method, baseline] for one in measured]
    names = ("insertion", "deletion", "random_insertion", "random_deletion")
    return {name: np.array([getattr(area, name) for area in found]) for name in names}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("baseline", BASELINES)
def test_own_maps_beat_a_random_order_surely(measured, part, baseline):
    area = areas_of(measured, part, OWN, baseline)
    assert bootstrap_mean(area["insertion"] - area["random_insertion"]).low > 0.03
    assert bootstrap_mean(area["random_deletion"] - area["deletion"]).low > 0.05


@pytest.mark.parametrize("baseline", BASELINES)
def test_own_maps_of_the_picture_beat_at_least_two_of_four_other_methods(measured, baseline):
    def gap(method):
        area = areas_of(measured, "picture", method, baseline)
        return area["insertion"] - area["deletion"]

    others = {method for method, _ in measured[0].picture} - {OWN}
    assert others == {"attention rollout", "gradient x input", "Grad-CAM", "occlusion"}
    beaten = [method for method in others if bootstrap_mean(gap(OWN) - gap(method)).low > 0]
    assert len(beaten) >= 2


def test_random_weights_give_other_maps_that_point_worse(world, answers, measured):
    assert np.mean([one.random_weights for one in measured]) < 0.5
    untaught = randomised(world.stan, 0)
    own, random = (
        np.mean([where_rows(stan, explained(stan, clip))["STAN"] for clip in world.clips])
        for stan in (world.stan, untaught)
    )
    assert own > random + 0.3


def test_another_sound_moves_the_map(world, answers, measured):
    assert bootstrap_mean([one.moved for one in measured]).low > 0.3
    # It goes to what makes the other sound.
    shares = []
    for answer, other in zip(answers, world.others, strict=True):
        swapped = where_of(world.stan, explained(world.stan, other), answer.event)
        own = where_of(world.stan, answer)
        source = answer.scene.box_sounding[:, 0]
        shares.append(float(own[source].sum() - swapped[source].sum()))
    assert np.mean(shares) > 0.1


def test_hiding_the_picture_or_the_sound_lowers_the_probability(measured):
    for hidden in ("without_picture", "without_sound"):
        falls = [one.whole - getattr(one, hidden) for one in measured]
        assert bootstrap_mean(falls).low > 0.05


def test_probabilities_are_those_of_the_network(world, answers, measured):
    answer, one = answers[0], measured[0]
    assert one.whole == pytest.approx(answer.recognised.logits[0, answer.event].sigmoid().item(), abs=1e-5)
    event, steps = torch.tensor(answer.event), len(answer.scene.there)
    with torch.no_grad():
        deaf = one_event(world.stan, answer.clips, event, steps=torch.zeros(1, steps)).sigmoid()
        blind = one_event(world.stan, answer.clips, event, cells=torch.zeros(1, steps, 16)).sigmoid()
    assert one.without_sound == pytest.approx(deaf.item(), abs=1e-6)
    assert one.without_picture == pytest.approx(blind.item(), abs=1e-6)


def test_curves_are_measured_for_every_method_and_baseline(measured):
    sound = {"STAN", "gradient x input", "occlusion"}
    picture = sound | {"attention rollout", "Grad-CAM"}
    for one in measured[:2]:
        assert set(one.picture) == {(method, baseline) for method in picture for baseline in BASELINES}
        assert set(one.sound) == {(method, baseline) for method in sound for baseline in BASELINES}


def test_the_same_clip_is_measured_the_same_way_twice(world, answers, measured):
    again = faithful(world.stan, randomised(world.stan, 0), answers[1], world.others[1])
    assert again == measured[1]
    alone = faithful(world.stan, randomised(world.stan, 0), answers[1], None)
    assert np.isnan(alone.moved)
    assert alone.picture == again.picture


def test_random_weights_are_the_trained_ones_in_another_order(world):
    first, again, other = (randomised(world.stan, seed).network for seed in (0, 0, 1))
    trained = world.stan.network
    for name in ("query.weight", "key.weight", "values"):
        parts = [dict(net.named_parameters())[name].detach() for net in (trained, first, again, other)]
        own, mixed, same, another = parts
        assert torch.equal(own.flatten().sort().values, mixed.flatten().sort().values)
        assert not torch.equal(own, mixed)
        assert torch.equal(mixed, same)
        assert not torch.equal(mixed, another)
    assert first.prior.tolist() == [0, 0]
    assert first.bias.unique().tolist() == [-3]
    assert trained.prior.detach().abs().min() > 0.1  # which was not touched
    assert torch.equal(first.names, trained.names)


def test_the_map_of_another_event_is_another_one(world, answers):
    answer = answers[0]
    own = where_of(world.stan, answer)
    assert torch.equal(own, where_of(world.stan, answer, answer.event))
    assert not torch.allclose(own, where_of(world.stan, answer, (answer.event + 1) % 4), atol=1e-3)
