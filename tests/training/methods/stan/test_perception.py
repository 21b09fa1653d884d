import pytest
import torch

from training.encoders.events import EVENT_NAMES
from training.encoders.minilm import load_minilm
from training.encoders.weights import IMAGENET_NAMES, MINILM, YAMNET
from training.encoders.yamnet import load_yamnet
from training.guided.names import class_names
from training.methods.localiser import Widths
from training.methods.stan.perception import WORDS, Perception, take_published

GRID, EVENTS = 4, 3
WIDTHS = Widths(token=6, sound=2, grid=GRID)


@pytest.fixture
def perception():
    """That sees four components of tokens, two of class maps of five classes, and words."""
    torch.manual_seed(0)
    made = Perception(WIDTHS, 5, EVENTS, channels=4, looks=2)
    made.sight.fit(torch.randn(20, GRID, GRID, 6), torch.rand(20, 2, 2, 5), torch.rand(20, 2))
    made.classes.normal_()
    return made


def test_a_cell_is_tokens_looks_and_words_side_by_side(perception):
    tokens, class_map = torch.randn(3, GRID, GRID, 6), torch.rand(3, 2, 2, 5)
    seen = perception.see(tokens, class_map)
    assert perception.channels == 4 + 2 + WORDS
    assert seen.shape == (3, GRID**2, perception.channels)
    looks = perception.sight.seen(tokens, class_map).flatten(1, 2)
    assert torch.equal(seen[..., :-WORDS], looks)
    # The corners of the grid show what the places of the class map show.
    words = seen[..., -WORDS:].unflatten(1, (GRID, GRID))
    assert torch.allclose(words[:, ::3, ::3], class_map @ perception.classes, atol=1e-4)
    between = words[:, 0, 1]  # a quarter of the way
    wanted = (0.75 * class_map[:, 0, 0] + 0.25 * class_map[:, 0, 1]) @ perception.classes
    assert torch.allclose(between, wanted, atol=1e-4)


def test_a_sound_is_its_embedding_and_what_the_teacher_says_within_bounds(perception):
    perception.teacher_weight.copy_(torch.tensor([[1.0, 0.0], [0.0, -1.0], [100.0, 0.0]]))
    perception.teacher_bias.copy_(torch.tensor([0.5, 0.0, 0.0]))
    window = torch.tensor([[0.5, 2.0], [1.0, 0.0]])
    heard, told = perception.hear(window.half())
    assert torch.equal(heard, perception.sight.heard(window))
    logits = torch.tensor([[1.0, -2.0, 50.0], [1.5, 0.0, 100.0]])
    assert torch.allclose(told, 8 * torch.tanh(logits / 8))
    assert told.abs().max() <= 8


@pytest.mark.weights
def test_published_names_and_teacher_are_centred_and_silence_is_never_told(published):
    published(MINILM), published(IMAGENET_NAMES), published(YAMNET)
    n_classes, n_events = len(class_names()), len(EVENT_NAMES)
    perception = Perception(Widths(3, 1024, GRID), n_classes, n_events, channels=3, looks=0)
    names = take_published(perception)
    assert names.shape == (n_events, WORDS)
    assert torch.allclose(names.norm(dim=1), torch.ones(n_events), atol=1e-5)
    assert perception.classes.mean(0).abs().max() < 1e-4
    assert perception.classes.norm(dim=1).median() > 1

    with torch.inference_mode():
        window = torch.rand(2, 1024)
        _, told = perception.hear(window)
        wanted = load_yamnet().classifier(window)
        # As near to each other as names are that have lost what all of them have in common.
        sentences = load_minilm().encode(EVENT_NAMES)
        sentences = torch.nn.functional.normalize(sentences - sentences.mean(0), dim=1)
    silence = EVENT_NAMES.index("Silence")
    others = torch.arange(n_events) != silence
    assert torch.allclose(told[:, others], 8 * torch.tanh(wanted[:, others] / 8), atol=1e-4)
    assert told[:, silence].sigmoid().max() < 1e-3
    chosen = [EVENT_NAMES.index(name) for name in ("Dog", "Bark", "Violin, fiddle", "Cello", "Truck")]
    near, exact = (part[chosen] @ part[chosen].T for part in (names, sentences))
    assert (near - exact).abs().max() < 0.25

    def nearest(class_name):
        return EVENT_NAMES[int((names @ perception.classes[class_names().index(class_name)]).argmax())]

    assert nearest("violin") == "Violin, fiddle"
    assert nearest("harp") == "Harp"
