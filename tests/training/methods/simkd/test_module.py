import math

import pytest
import torch
from torch import nn

from tests.training.methods.simkd.made_students import random_student
from training.guided.localizer import load_localizer
from training.methods.simkd.config import SimkdConfig
from training.methods.simkd.module import Simkd, feature_loss, fresh_localizer, truth_loss, with_sound
from training.methods.simkd.student import Shapes


class Echo(nn.Module):
    """A student of 2 x 2 cells whose token is its input, scaled; its class map is even."""

    shapes = Shapes(2, 1, 1)

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def outputs(self, trunk):
        tokens = (self.scale * trunk).permute(0, 2, 3, 1)
        return tokens, torch.zeros(len(trunk), 1, 1, 2)


class Bright(nn.Module):
    """A localiser whose heat is the token times the first event."""

    def forward(self, tokens, class_map, events):
        assert class_map.shape[1:] == (1, 1, 2)
        heat = tokens[..., 0] * events[:, :1, None]
        return heat, heat.amax((1, 2))


def batch_of(found, wanted, *, cover=None, judged=None, events=None):
    """Frames throughout of one token as the student and as the teacher have it."""
    n = len(found)
    every = torch.ones(n, 2, 2)
    return {
        "trunk": torch.tensor(found)[:, None, None, None] * every[:, None],
        "tokens": (torch.tensor(wanted)[:, None, None] * every)[..., None].half(),
        "class_map": torch.full((n, 1, 1, 2), 0.5).half(),
        "events": torch.ones(n, 1) if events is None else torch.tensor(events)[:, None],
        "cover": torch.zeros(n, 2, 2) if cover is None else torch.tensor(cover),
        "judged": torch.zeros(n, dtype=torch.bool) if judged is None else torch.tensor(judged),
    }


def module_of(objective="simkd", **config):
    own = None if objective == "simkd" else Bright()
    module = Simkd(SimkdConfig(objective=objective, **config), Echo(), localizer=own, teacher=Bright())
    module.told = {}
    module.log = lambda name, value, **_: module.told.update({name: value.item()})
    module.log_score = lambda score, *, count: module.told.update(score=score.item(), count=count)
    return module


def maps(tokens, class_map):
    return {"tokens": torch.tensor(tokens).half(), "class_map": torch.tensor(class_map).half()}


TOKENS = [[[[0.5, -1.0], [2.0, 0.25]]]]
CLASSES = [[[[0.25, 0.75]]], [[[0.5, 0.5]]]]


def test_a_student_that_equals_its_teacher_has_nothing_to_learn():
    given = maps(TOKENS, CLASSES)
    loss = feature_loss(given["tokens"].float(), given["class_map"].float().log(), given, class_weight=1.0)
    assert loss.item() == pytest.approx(0, abs=1e-6)


def test_a_constant_offset_costs_its_square_whatever_the_size_of_the_map():
    for times in (1, 3):
        given = maps(TOKENS * times, CLASSES)
        tokens = given["tokens"].float() + 0.5
        logits = given["class_map"].float().log() + 7.0  # a softmax does not see that
        assert feature_loss(tokens, logits, given, class_weight=1.0).item() == pytest.approx(0.25)


def test_the_class_term_is_the_divergence_of_the_student_from_the_teacher():
    given = maps(TOKENS, [[[[0.5, 0.5]]], [[[1.0, 0.0]]]])
    tokens, logits = given["tokens"].float(), torch.tensor([[[[0.25, 0.75]]]] * 2).log()
    # The first cell: 1/2 log(2) + 1/2 log(2/3); the other way round it would be 0.131. The second: log(4).
    expected = (0.5 * math.log(4 / 3) + math.log(4)) / 2
    for weight in (1.0, 0.5):
        loss = feature_loss(tokens, logits, given, class_weight=weight)
        assert loss.item() == pytest.approx(weight * expected, rel=1e-4)
    assert feature_loss(tokens, logits, given, class_weight=0.0) == 0


def test_the_truth_counts_by_cell_and_by_overlap():
    heat = torch.full((1, 2, 2), 0.5)
    cover = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    # A soft intersection of 0.5 in a union of 2.5, both with 0.001 more.
    expected = math.log(2) + 1 - 0.501 / 2.501
    assert truth_loss(heat, cover).item() == pytest.approx(expected)
    empty = torch.zeros(1, 2, 2)
    assert truth_loss(heat, empty).item() == pytest.approx(math.log(2))
    both = truth_loss(torch.cat([heat, heat]), torch.cat([empty, cover]))
    assert both.item() == pytest.approx(expected)  # the overlap is a mean over those with a source


def test_a_heat_that_is_surely_wrong_costs_much_but_not_infinitely():
    wrong = truth_loss(torch.zeros(1, 2, 2), torch.ones(1, 2, 2))
    assert wrong.item() == pytest.approx(-math.log(1e-4) + 1, abs=1e-3)


def test_simkd_learns_features_and_is_chosen_by_them():
    module, batch = module_of(class_weight=2.0), batch_of([0.5, 1.0], [0.0, 0.0])
    assert module.training_step(batch, 0).item() == pytest.approx((0.25 + 1) / 2)
    module.validation_step(batch, 0)
    assert module.told == {
        "train/loss": pytest.approx(0.625),
        "score": pytest.approx(-0.625),
        "count": 2,
    }


def test_alone_only_frames_with_a_known_truth_count():
    cover = [[[1.0, 1.0], [1.0, 1.0]]] * 2
    batch = batch_of([0.5, 0.9], [0.25, 0.25], cover=cover, judged=[True, False])
    expected = math.log(2) + 1 - 2.001 / 4.001
    assert module_of("alone").training_step(batch, 0).item() == pytest.approx(expected, rel=1e-4)
    unknown = module_of("alone")
    loss = unknown.training_step(batch_of([0.5], [0.25]), 0)
    assert loss.item() == 0
    loss.backward()  # there is something to go back to
    assert unknown.student.scale.grad == 0


def test_logits_learns_the_heat_of_the_teacher_and_the_truth_where_it_is_known():
    entropy = -(0.25 * math.log(0.8) + 0.75 * math.log(0.2))
    module = module_of("logits")
    assert module.training_step(batch_of([0.8], [0.25]), 0).item() == pytest.approx(entropy, rel=1e-4)
    known = batch_of([0.8], [0.25], cover=[[[0.0, 0.0], [0.0, 0.0]]], judged=[True])
    expected = entropy - math.log(0.2)
    assert module.training_step(known, 0).item() == pytest.approx(expected, rel=1e-4)


def test_the_heat_may_count_beside_the_features():
    entropy = -(0.25 * math.log(0.8) + 0.75 * math.log(0.2))
    module = module_of(heat_weight=0.5)
    loss = module.training_step(batch_of([0.8], [0.25]), 0)
    assert loss.item() == pytest.approx(0.55**2 + 0.5 * entropy, rel=1e-4)


def test_a_mute_frame_is_shown_with_the_sound_of_the_one_before():
    events = torch.tensor([[0.0, 0.0], [0.1, 0.7], [0.0, 0.0], [0.0, 0.0]])
    assert with_sound(events).tolist() == torch.tensor([[0, 0], [0.1, 0.7], [0.1, 0.7], [0, 0]]).tolist()
    turned = with_sound(events.roll(2, 0))  # the first one gets that of the last
    assert turned[0].tolist() == turned[3].tolist() == pytest.approx([0.1, 0.7])


def test_the_teacher_is_in_no_checkpoint_and_is_not_trained():
    module = Simkd(SimkdConfig(), random_student(), teacher=load_localizer())
    assert {name.split(".")[0] for name in module.state_dict()} == {"student"}
    assert {name.split(".")[0] for name, _ in module.named_parameters()} == {"student"}


def test_backbone_and_what_was_added_have_rates_of_their_own(monkeypatch):
    monkeypatch.setattr(Simkd, "n_steps", 10)
    localizer = fresh_localizer(load_localizer())
    module = Simkd(SimkdConfig(objective="alone", frozen=5), random_student(), localizer=localizer)
    groups = module.configure_optimizers()["optimizer"].param_groups
    assert [group["max_lr"] for group in groups] == [3e-4, 2e-3]
    numbers = [{id(part) for part in group["params"]} for group in groups]
    trained = [part for part in module.student.backbone.parameters() if part.requires_grad]
    assert numbers[0] == set(map(id, trained))
    added = [*module.student.projector.parameters(), *localizer.parameters()]
    assert numbers[1] == set(map(id, added))


def test_a_fresh_localizer_knows_the_bridge_but_nothing_that_was_fitted():
    torch.manual_seed(0)
    fitted, fresh = load_localizer(), fresh_localizer(load_localizer())
    weights, before = dict(fresh.named_parameters()), dict(fitted.named_parameters())
    assert {name.split(".")[0] for name in weights} == {"evidence", "calibrator"}
    assert not [name for name in weights if torch.equal(weights[name], before[name])]
    buffers = dict(fitted.named_buffers())
    assert all(torch.equal(part, buffers[name]) for name, part in fresh.named_buffers())
    assert all(part.requires_grad for part in weights.values())
