import math

import pytest
import torch

from tests.training.methods.stan.made_network import random_network
from training.methods.localiser import Widths
from training.methods.stan.config import StanConfig
from training.methods.stan.module import (
    Stan,
    best_threshold,
    clips_of,
    entropy,
    guided_loss,
    hidden_at_random,
    recognition,
    smoothness,
)
from training.methods.stan.network import Attention, Clips

EVENTS, STEPS, CELLS, SOUND = 6, 3, 4, 2


@pytest.fixture
def make():
    """Makes a network before training; what it logs is in `told`."""

    def stan(**config):
        torch.manual_seed(0)
        config = StanConfig(**{"channels": 8, "looks": 1, "heads": 2, "width": 4, **config})
        module = Stan(config, Widths(3, SOUND, 2), (1, 1, 1), tuple("abcdef"))
        module.network.names.normal_()
        module.told, module.scores = {}, []
        module.log = lambda name, value, **_: module.told.update({name: float(value)})
        module.log_score = lambda score, *, count: module.scores.append((float(score), count))
        return module

    return stan


def batch_for(stan, n=3):
    """In half precision, as a cache has it; the last step is there in the first clip only."""
    torch.manual_seed(1)
    there = torch.ones(n, STEPS, dtype=torch.bool)
    there[1:, -1] = False
    return {
        "seen": torch.randn(n, STEPS, CELLS, stan.perception.channels).half(),
        "heard": torch.randn(n, STEPS, SOUND).half(),
        "told": torch.randn(n, STEPS, EVENTS).half(),
        "heat": torch.rand(n, STEPS, CELLS).half(),
        "there": there,
        "presence": torch.ones(n, STEPS),
        "cover": torch.zeros(n, STEPS, CELLS).half(),
        "known": torch.zeros(n, dtype=torch.bool),
        "events": torch.rand(n, EVENTS),
    }


def attention_of(space):
    """Attention in space (N, T, H, U), and even attention in time."""
    n, steps = space.shape[:2]
    even = torch.full((n, steps, 1), 1 / steps)
    return Attention(space, even, even)


def clips_with(heat, there=None):
    n, steps = heat.shape[:2]
    nothing = torch.zeros(n, steps, 1)
    there = torch.ones(n, steps, dtype=torch.bool) if there is None else there
    return Clips(nothing[..., None].expand(n, steps, heat.shape[2], 1), nothing, nothing, heat, there)


def test_the_loss_is_the_weighted_sum_of_its_parts(make):
    stan = make(alone=0.25, guided=2.0, smooth=0.5, sparse=0.125)
    stan.training_step(batch_for(stan), 0).backward()
    told = stan.told
    parts = {name: told[f"train/{name}"] for name in ("events", "alone", "guided", "smooth", "sparse")}
    assert all(math.isfinite(value) and value > 0 for value in parts.values())
    weighted = parts["events"] + 0.25 * parts["alone"] + 2 * parts["guided"]
    weighted += 0.5 * parts["smooth"] + 0.125 * parts["sparse"]
    assert told["train/loss"] == pytest.approx(weighted, rel=1e-5)
    gradients = [part.grad for part in stan.network.parameters()]
    assert all(part is not None and part.isfinite().all() and part.any() for part in gradients)


def test_without_masks_the_loss_is_that_of_what_forward_says(make):
    stan = make(masked=0.0)
    batch = batch_for(stan)
    stan.training_step(batch, 0)
    with torch.no_grad():
        recognised, _ = stan(clips_of(batch))
    loss, wanted = torch.nn.functional.binary_cross_entropy_with_logits, batch["events"]
    expected = EVENTS * loss(recognised.logits, wanted)
    assert stan.told["train/events"] == pytest.approx(float(expected), rel=1e-5)
    alone = EVENTS * (loss(recognised.by_sight, wanted) + loss(recognised.by_sound, wanted))
    assert stan.told["train/alone"] == pytest.approx(float(alone), rel=1e-5)


def test_guidance_costs_nothing_where_attention_is_the_heat():
    heat = torch.tensor([[[0.8, 0.4, 0.4, 0.0], [0.0, 0.0, 0.6, 0.6]]])
    space = torch.tensor([[[0.5, 0.25, 0.25, 0.0], [0.0, 0.0, 0.5, 0.5]]])[:, :, None]
    presence = torch.ones(1, 2)
    assert float(guided_loss(attention_of(space), clips_with(heat), presence)) == pytest.approx(0, abs=1e-6)
    even = torch.full((1, 2, 1, 4), 0.25)
    # Divergences are 1/2 log 2 + 2 (1/4 log 1) and log 2.
    expected = 0.75 * math.log(2)
    assert float(guided_loss(attention_of(even), clips_with(heat), presence)) == pytest.approx(expected)
    heads = torch.cat([2 * space - even, even], 2).clamp(min=0)
    mixed = guided_loss(attention_of(heads), clips_with(heat), presence)
    mean = heads.mean(2)
    wanted = heat / heat.sum(2, keepdim=True)
    by_hand = torch.special.xlogy(wanted, wanted / mean.clamp(min=1e-8)).sum() / 2
    assert float(mixed) == pytest.approx(float(by_hand), rel=1e-5)


@pytest.mark.parametrize(
    ("presence", "peak", "there", "counts"),
    [(0.5, 0.5, True, True), (0.4, 0.9, True, False), (0.9, 0.4, True, False), (0.9, 0.9, False, False)],
)
def test_only_steps_with_a_source_in_sight_guide(presence, peak, there, counts):
    heat = torch.tensor([[[peak, 0.0, 0.0, 0.0]]])
    space = torch.full((1, 1, 1, 4), 0.25, requires_grad=True)
    clips = clips_with(heat, torch.tensor([[there]]))
    loss = guided_loss(attention_of(space), clips, torch.tensor([[presence]]))
    loss.backward()  # also where nothing counts
    assert loss.item() == pytest.approx(math.log(4) if counts else 0)


def test_smoothness_is_how_much_attention_moves_between_steps_that_are_there():
    sight = torch.tensor([[[0.5, 0.2], [0.25, 0.2], [0.25, 0.6]]])
    sound = torch.tensor([[[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]])
    attention = Attention(torch.zeros(1, 3, 1, 1), sight, sound)
    all_there = torch.ones(1, 3, dtype=torch.bool)
    # Sight moves by 0.25 and 0.4, sound by 2 and 1.
    assert float(smoothness(attention, all_there)) == pytest.approx((0.25 + 0.4) / 2 + (2 + 1) / 2)
    two = torch.tensor([[True, True, False]])
    assert float(smoothness(attention, two)) == pytest.approx((0.25 + 0.0) / 2 + (1 + 1) / 2)


def test_entropy_is_that_of_attention_in_time():
    sight = torch.tensor([[[0.5], [0.5], [0.0]]])
    sound = torch.tensor([[[0.0], [1.0], [0.0]]])
    found = float(entropy(Attention(torch.zeros(1, 3, 1, 1), sight, sound)))
    assert found == pytest.approx(math.log(2), abs=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_the_clips_is_partly_hidden(share):
    torch.manual_seed(0)
    n = 400
    masks = hidden_at_random(clips_with(torch.zeros(n, 6, 16)), share)
    assert masks.cells.shape == (n, 6, 16)
    assert masks.steps.shape == (n, 6)
    for part in masks:
        assert set(part.unique().tolist()) <= {0.0, 1.0}
    hides = 1 - masks.cells.flatten(1).mean(1)
    assert float((hides > 0).float().mean()) == pytest.approx(share, abs=0.08)
    if share:
        assert float(hides[hides > 0].std()) > 0.2  # from little to all
        assert float((1 - masks.steps.mean(1))[hides > 0].mean()) == pytest.approx(0.5, abs=0.1)
    for part in (masks.blurred, masks.silent):
        assert float(part.mean()) == pytest.approx(0.5, abs=0.1)
    assert 0.3 < float((masks.blurred == masks.silent).float().mean()) < 0.7


def test_recognition_is_the_precision_over_events_that_happen_somewhere():
    events = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.2, 0.0]])
    right = torch.tensor([[5.0, 0.0, 99.0], [0.0, 5.0, 99.0], [0.0, 0.0, 99.0]])
    assert recognition(right, events) == pytest.approx(1)  # the last event never happens, and does not count
    # Ranked 3, 2, 1 and three zeros: hits at 1 and at 3.
    mixed = torch.tensor([[3.0, 2.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    assert recognition(mixed, events) == pytest.approx((1 + 2 / 3) / 2)
    assert recognition(mixed, 0.2 * torch.ones(3, 3)) == 0


def test_the_threshold_is_where_precision_and_recall_are_best_together():
    scores = torch.tensor([0.9, 0.8, 0.7, 0.4, 0.3])
    happens = torch.tensor([True, True, False, True, False])
    assert best_threshold(scores, happens) == pytest.approx(0.4)  # F1 2 x 3/4 / (7/4) beats 2 x 2/3 / (5/3)
    assert best_threshold(scores, torch.tensor([True, True, False, False, False])) == pytest.approx(0.8)
    assert best_threshold(scores, torch.zeros(5, dtype=torch.bool)) == 0.5
    sure = torch.tensor([0.999, 0.998, 0.2])
    assert best_threshold(sure, torch.tensor([True, True, False])) == pytest.approx(0.95)


@torch.no_grad()
def test_validation_gives_score_and_threshold_of_all_its_clips(make):
    stan = make().eval()
    for seed in (0, 1):
        batch = batch_for(stan)
        batch["told"] = 8 * torch.randn(3, STEPS, EVENTS, generator=torch.Generator().manual_seed(seed))
        batch["events"] = (stan(clips_of(batch))[0].logits > 0).float()
        stan.validation_step(batch, 0)
    stan.on_validation_epoch_end()
    assert stan.scores == [(pytest.approx(1), 6)]
    assert 0.5 <= float(stan.thresholds[0]) < 0.95
    assert stan.thresholds[1:].tolist() == pytest.approx([0.97, 0.5])
    stan.validation_step(batch_for(stan), 0)
    stan.on_validation_epoch_end()
    assert stan.scores[1][1] == 3  # what was validated before is forgotten


def test_the_score_counts_pointing_where_places_and_times_are_known(make):
    stan = make().eval()
    batch = batch_for(stan)
    batch["told"] = 8 * torch.randn(3, STEPS, EVENTS, generator=torch.Generator().manual_seed(0))
    clips = clips_of(batch)
    recognised, attention = stan(clips)
    batch["events"] = (recognised.logits > 0).float()
    batch["known"][0] = batch["known"][2] = True
    batch["presence"][:] = 0  # nothing sounds in the third clip, whose places would be missed
    first = Clips(*(part[:1] for part in clips)), Attention(*(part[:1] for part in attention))
    when_audio, _, where = stan.maps(*first, recognised.logits[0].argmax())
    batch["cover"][0].view(-1)[where.argmax()] = 1
    batch["presence"][0, int(when_audio.argmin())] = 1
    stan.validation_step(batch, 0)
    stan.on_validation_epoch_end()
    assert stan.scores == [(pytest.approx((1 + 1 + 0) / 3), 3)]  # events and place right, time wrong


def test_a_name_that_says_little_is_chosen_only_if_nothing_else_is_nearly_as_sure():
    stan = Stan(StanConfig(), Widths(3, 2, 2), (1, 1, 1), ("Music", "Banjo", "Dog"))
    assert stan.best_event(torch.tensor([0.9, 0.6, 0.1]).logit()) == 1
    assert stan.best_event(torch.tensor([0.9, 0.5, 0.1]).logit()) == 0
    assert stan.best_event(torch.tensor([0.1, 0.5, 0.6]).logit()) == 2


def test_few_numbers_are_learned_faster_and_without_decay(make, monkeypatch):
    stan = make(rate=1e-3, rate_few=2e-2, weight_decay=0.07)
    monkeypatch.setattr(Stan, "n_steps", 10)
    chosen = stan.configure_optimizers()
    optimizer, schedule = chosen["optimizer"], chosen["lr_scheduler"]["scheduler"]
    names = {part: name for name, part in stan.network.named_parameters()}
    many, few = ({names[part] for part in group["params"]} for group in optimizer.param_groups)
    assert few == {"prior", "scale", "trust", "in_time", "fusion"}
    assert many == {"query.weight", "key.weight", "values", "bias"}
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.07, 0.0]
    assert [group["max_lr"] for group in optimizer.param_groups] == [1e-3, 2e-2]
    rates = []
    for _ in range(10):
        rates.append(optimizer.param_groups[1]["lr"])
        optimizer.step()
        schedule.step() if len(rates) < 10 else None
    assert max(rates) == pytest.approx(2e-2, rel=0.05)
    assert rates[0] < 0.1 * max(rates) > rates[-1]


def test_what_is_seen_and_heard_is_not_trained(make):
    stan = make()
    assert not list(stan.perception.parameters())
    assert stan.network.names.shape == (EVENTS, 96)
    assert stan.network.key.in_features == stan.perception.channels


def test_batches_are_computed_in_full_precision(make):
    stan = make()
    clips = clips_of(batch_for(stan))
    assert {part.dtype for part in clips[:4]} == {torch.float32}
    assert clips.there.dtype == torch.bool


def test_forward_is_that_of_the_network(make):
    stan = make()
    stan.network = random_network()
    batch = clips_with(torch.rand(1, 2, 3))
    clips = batch._replace(
        seen=torch.randn(1, 2, 3, 7), heard=torch.randn(1, 2, 5), told=torch.randn(1, 2, 3)
    )
    assert torch.equal(stan(clips)[0].logits, stan.network(clips)[0].logits)
