import pytest
import torch

from training.methods.language_guidance import naming
from training.methods.language_guidance.naming import (
    class_evidence,
    event_evidence,
    name_link,
    pseudo_names,
    said,
)

COSINES = {
    "hound": [1.0, 0.0],
    "sea cow": [0.0, 1.0],
    "Bark": [0.75, 0.5],
    "Moo": [-1.0, 0.0],
    "Yip": [0.375, 0.38],
}
LINK = torch.tensor([[1.0, 0.0], [0.0, 0.5]])


@pytest.fixture
def texts(monkeypatch):
    class Texts:
        def encode(self, sentences):
            return torch.tensor([COSINES[sentence] for sentence in sentences])

    monkeypatch.setattr(naming, "load_minilm", Texts)


def test_names_are_linked_by_the_fourth_power_of_a_cosine_above_zero(texts):
    link = name_link(["hound", "sea_cow"], ["Bark", "Moo"])
    torch.testing.assert_close(link, torch.tensor([[0.75**4, 0.0], [0.5**4, 0.0]]))  # exact in 16 bits, too


def test_a_link_weaker_than_that_of_anything_is_none(texts):
    link = name_link(["hound", "sea_cow"], ["Yip"])  # 0.0198 and 0.0209
    assert link[0].item() == 0
    assert link[1].item() == pytest.approx(0.38**4, rel=1e-3)


def test_families_and_silence_are_not_said():
    assert said(["Bark", "Music", "Silence", "Animal", "Guitar"]).tolist() == [
        True,
        False,
        False,
        False,
        True,
    ]


def test_looks_decide_between_events_that_are_heard_alike():
    heard = torch.tensor([[0.5, 0.5]]).expand(2, 2)
    looks = torch.tensor([[0.75, 0.25], [0.25, 0.75]])
    evidence = event_evidence(looks, heard, LINK)
    expected = 0.5 * torch.tensor([[0.75 + 0.02, 0.125 + 0.02], [0.25 + 0.02, 0.375 + 0.02]])
    torch.testing.assert_close(evidence, expected)
    assert evidence.argmax(1).tolist() == [0, 1]


def test_an_event_that_is_not_heard_names_nothing_and_an_unlinked_one_may():
    evidence = event_evidence(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.6]]), LINK)
    torch.testing.assert_close(evidence, torch.tensor([[0.0, 0.6 * 0.02]]))


def test_what_is_heard_decides_between_classes_that_are_seen_alike():
    looks = torch.tensor([[0.5, 0.5]])
    assert class_evidence(looks, torch.tensor([[0.2, 0.6]]), LINK).argmax(1).tolist() == [1]
    assert class_evidence(looks, torch.tensor([[0.6, 0.2]]), LINK).argmax(1).tolist() == [0]


def test_only_the_twenty_likeliest_classes_are_names_and_share_everything():
    looks = torch.arange(1.0, 26)[None] / 325
    names = pseudo_names(looks)
    assert (names[0] > 0).tolist() == [False] * 5 + [True] * 20
    assert names.sum().item() == pytest.approx(1)
    assert (names[0, 24] / names[0, 5]).item() == pytest.approx(25 / 6)
