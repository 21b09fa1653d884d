from dataclasses import replace

import pytest
import torch
from torch import nn

from training.methods.avdet.labelling import Clustering, self_label, transport

SETTINGS = {"heads": 2, "rounds": 1, "sharpness": 20.0, "spread": 0.0}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def samples(count=120, *, kinds=3, blind=False):
    """Kinds, and what is heard and seen of each sample; `blind` shows another kind than the one heard."""
    kind = torch.arange(count) % kinds
    shown = kind[torch.randperm(count)] if blind else kind
    heard = 3 * torch.eye(kinds)[kind].repeat(1, 4) + 0.3 * torch.randn(count, 4 * kinds)
    seen = 3 * torch.eye(kinds)[shown].repeat(1, 6) + 0.3 * torch.randn(count, 6 * kinds)
    return kind, heard, seen


def purity(label, kind):
    """Share of the samples that are of the commonest kind of their cluster."""
    return sum(kind[label == one].bincount().max().item() for one in label.unique()) / len(kind)


def test_of_samples_that_prefer_one_cluster_the_least_decided_go_to_the_other():
    scores = torch.tensor([[1.5, 1.0], [10.0, 1.0], [2.0, 1.0], [8.0, 1.0]])
    assert transport(scores, torch.tensor([0.5, 0.5])).tolist() == [1, 0, 1, 0]
    assert transport(scores**4, torch.tensor([0.5, 0.5])).tolist() == [1, 0, 1, 0]


def test_clusters_get_about_their_size():
    scores = torch.rand(600, 3) ** 8 + 1e-6
    label = transport(scores, torch.tensor([0.6, 0.3, 0.1]))
    assert (label.bincount(minlength=3) / 600).tolist() == pytest.approx([0.6, 0.3, 0.1], abs=0.04)


def test_clear_scores_are_followed():
    wanted = torch.randint(3, (90,))
    scores = 0.01 + torch.eye(3)[wanted]
    sizes = wanted.bincount(minlength=3) / 90
    assert torch.equal(transport(scores, sizes), wanted)


def test_kinds_that_are_heard_and_seen_are_found():
    kind, heard, seen = samples()
    found = self_label(heard, seen, torch.arange(120) // 2, clusters=3, **SETTINGS)
    assert purity(found.label, kind) > 0.95
    assert found.agreement > 0.95
    assert found.label.bincount(minlength=3).tolist() == pytest.approx([40, 40, 40], abs=3)
    assert torch.equal(found.of(heard, seen), found.label)


def test_new_samples_are_labelled_like_those_of_their_kind():
    kind, heard, seen = samples()
    found = self_label(heard, seen, torch.arange(120), clusters=3, **SETTINGS)
    number_of = [found.label[kind == one].mode().values.item() for one in range(3)]
    other, heard, seen = samples(30)
    assert found.of(heard, seen).tolist() == [number_of[one] for one in other]


def test_sight_that_has_nothing_to_do_with_the_sound_does_not_agree():
    _, heard, seen = samples(blind=True)
    found = self_label(heard, seen, torch.arange(120), clusters=3, **SETTINGS)
    assert found.agreement < 0.6
    assert found.sureness.median() < 0.5


def test_samples_are_told_by_classifiers_that_do_not_know_their_group():
    """A sign that only one clip shows is no evidence for what is heard in it, unless its frames are taken for
    clips."""
    clip = torch.arange(120) // 5
    heard = 3 * torch.eye(3)[clip % 3].repeat(1, 4) + 0.3 * torch.randn(120, 12)
    sign = 3 * torch.eye(24)[clip]
    by_clip, by_frame = (
        self_label(heard, sign, group, clusters=3, **SETTINGS) for group in (clip, torch.arange(120))
    )
    assert by_clip.agreement < 0.6 < 0.8 < by_frame.agreement


def test_of_several_heads_the_one_that_agrees_most_is_kept():
    _, heard, seen = samples(60)
    torch.manual_seed(3)
    many = self_label(heard, seen, torch.arange(60), clusters=5, **{**SETTINGS, "heads": 3})
    torch.manual_seed(3)
    one = self_label(heard, seen, torch.arange(60), clusters=5, **{**SETTINGS, "heads": 1})
    assert many.agreement > one.agreement


@pytest.fixture
def made():
    """Six samples of a clustering whose classifiers pass on what they are given as logits."""
    return Clustering(
        label=torch.tensor([0, 0, 1, 1, 0, 1]),
        heard=torch.tensor([0, 0, 1, 1, 0, 0]),
        seen=torch.tensor([0, 1, 1, 1, 0, 1]),
        sureness=torch.tensor([0.9, 0.1, 0.8, 0.7, 0.6, 0.95]),
        classifiers=(nn.Identity(), nn.Identity()),
    )


def test_the_surest_share_of_those_on_which_ear_and_eye_agree_is_kept(made):
    assert made.kept(1.0).tolist() == [True, False, True, True, True, False]
    assert made.kept(0.5).tolist() == [True, False, True, False, False, False]
    assert made.kept(0.1).tolist() == [True] + [False] * 5
    assert not replace(made, seen=1 - made.heard).kept(1.0).any()


def test_agreement_is_the_share_with_the_same_cluster_by_ear_and_eye(made):
    assert made.agreement == pytest.approx(4 / 6)


def test_the_surer_of_ear_and_eye_decides(made):
    heard = torch.tensor([[1.0, 0], [3, 0], [0, 0]])
    seen = torch.tensor([[0.0, 3], [0, 1], [0, 1]])
    assert made.of(heard, seen).tolist() == [1, 0, 1]
