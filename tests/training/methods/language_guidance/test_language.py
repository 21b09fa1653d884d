import pytest
import torch

from training.methods.language_guidance import language
from training.methods.language_guidance.config import LanguageGuidanceConfig
from training.methods.language_guidance.language import class_similarity

LABELS = torch.tensor([0, 0, 1, 2])
LOGITS = torch.tensor([[9.0, 0, 5], [0, 0, 5], [0, 3, 1], [2, 1, 0]])
WORDS = ["car", "sea cow", "cow"]


class Words:
    """Sentences to which of the words they end with; what was encoded is kept."""

    def __init__(self):
        self.read = []

    @torch.inference_mode()
    def encode(self, sentences):
        self.read = list(sentences)
        return torch.eye(3)[[WORDS.index(sentence.removeprefix("a photo of a ")) for sentence in sentences]]


@pytest.fixture
def words(monkeypatch):
    made = Words()
    monkeypatch.setattr(language, "load_minilm", lambda: made)
    monkeypatch.setattr(language, "class_names", lambda: WORDS)
    return made


def similarity(guidance, classes=("car", "sea_cow", "cow"), **changes):
    config = LanguageGuidanceConfig(guidance=guidance, **changes)
    return class_similarity(config, classes, logits=LOGITS, labels=LABELS, seed=0)


def test_folders_are_read_as_words_within_the_prompt(words):
    assert similarity("elg", classes=("car", "sea_cow", "car")).tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    assert words.read == ["a photo of a car", "a photo of a sea cow", "a photo of a car"]
    assert similarity("elg").requires_grad is False
    assert not similarity("elg").is_inference()


def test_pseudo_names_come_from_the_classifier_and_not_from_folders(words):
    # Seen: cow, car; sea cow, cow; car, sea cow. No rank has a name twice.
    assert similarity("plg", classes=("x", "y", "z"), names=2).tolist() == torch.eye(3).tolist()
    assert words.read[:2] == ["a photo of a cow", "a photo of a car"]
    # One after the other the three of each class are 2 0 1, 1 2 0, 0 1 2.
    assert similarity("plg", names=1).tolist() == torch.eye(3).tolist()
    assert words.read == ["a photo of a cow", "a photo of a sea cow", "a photo of a car"]


def test_the_control_has_other_names_and_none_needs_none(words):
    classes = ("car", "sea_cow", "car")
    assert similarity("shuffled", classes=classes).tolist() != similarity("elg", classes=classes).tolist()
    assert sorted(similarity("shuffled", classes=classes).sum(1).tolist()) == [1, 2, 2]
    words.read = []
    assert similarity("none") is None
    assert words.read == []
