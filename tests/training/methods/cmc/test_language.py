import pytest
import torch

from training.encoders.events import EVENT_NAMES
from training.methods.cmc import language
from training.methods.cmc.language import RANKS, Language, event_language, label_language

WORDS = ("bus and cow", "cow", "dog")


class Words:
    """Sentences to the angles of words; what was encoded is kept."""

    def __init__(self):
        self.read = []

    @torch.inference_mode()
    def encode(self, sentences):
        self.read = list(sentences)
        angles = torch.arange(len(self.read)) / 10
        return torch.stack([angles.cos(), angles.sin()], 1)


@pytest.fixture
def words(monkeypatch):
    made = Words()
    monkeypatch.setattr(language, "load_minilm", lambda: made)
    return made


def batch(**parts):
    return {name: torch.tensor(part) for name, part in parts.items()}


def test_labels_are_one_name_in_any_order_and_no_label_is_none(words):
    made = label_language([("dog",), ("cow", "bus"), (), ("cow",), ("bus", "cow")])
    assert words.read == [f"the sound of {name}" for name in WORDS]
    said = made(batch(example=[4, 2, 0, 3, 1, 2]))
    assert said.rows.tolist() == [0, 2, 3, 4]  # bus and cow, dog, cow, bus and cow
    numbers = torch.tensor([0, 2, 1, 0])
    torch.testing.assert_close(said.similarity, ((numbers[:, None] - numbers) / 10).cos())
    assert said.same.tolist() == (numbers[:, None] == numbers).tolist()
    assert not said.similarity.is_inference()


def test_labels_may_have_the_names_of_others(words):
    given = [("dog",), ("cow",), ("bus",)]  # in alphabetical order 2 1 0
    own, exchanged = (label_language(given, exchange=seed) for seed in (None, 1))
    assert torch.equal(own.names, exchanged.names)
    assert not torch.equal(own.similarity, exchanged.similarity)


def test_events_are_compared_rank_by_rank():
    n = RANKS + 2
    codes = torch.arange(n).float()
    events = [[0.1 * (n - k) for k in range(n)], [0.1 * (k + 1) for k in range(n)]]  # 0 1 2 .. and n-1 n-2 ..
    said = Language(codes[:, None] * 10 + codes)(batch(events=events, example=[0, 1]))
    first, last = torch.arange(RANKS), n - 1 - torch.arange(RANKS)
    expected = [[(10 * a + b).float().mean() for b in (first, last)] for a in (first, last)]
    torch.testing.assert_close(said.similarity, torch.tensor(expected))
    assert said.same.tolist() == [[True, False], [False, True]]


def test_the_same_are_moments_with_one_best_event_and_those_of_one_example():
    events = torch.full((4, RANKS), 0.1)
    events[torch.arange(4), torch.tensor([1, 2, 1, 3])] = 0.9
    made = Language(torch.eye(RANKS))
    said = made({"events": events, "example": torch.tensor([0, 1, 2, 1])})
    assert said.same.tolist() == [[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1]]


def test_events_have_their_names_or_those_of_others(words):
    own, exchanged, again = (event_language(exchange=seed).similarity for seed in (None, 3, 3))
    assert words.read[:2] == ["the sound of speech", "the sound of child speech, kid speaking"]
    assert own.shape == (len(EVENT_NAMES),) * 2
    assert own[0, 1].item() == pytest.approx(torch.tensor(0.1).cos().item())
    assert not torch.equal(own, exchanged)
    assert torch.equal(exchanged, again)
    assert torch.equal(own.flatten().sort().values, exchanged.flatten().sort().values)


def test_language_is_no_part_of_a_checkpoint():
    assert not Language(torch.eye(3), torch.tensor([0])).state_dict()
