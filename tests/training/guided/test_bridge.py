import numpy as np
import pytest
import torch

from training.encoders.events import EVENT_NAMES
from training.encoders.minilm import load_minilm
from training.encoders.weights import IMAGENET_NAMES, MINILM
from training.guided.bridge import load_bridge, numbers
from training.guided.localizer import Hearing
from training.guided.names import class_names

BRIDGE = load_bridge()
HEARING = Hearing(BRIDGE)


def activations(**scores: float) -> dict[str, float]:
    events = np.zeros((1, len(EVENT_NAMES)), np.float32)
    for name, score in scores.items():
        events[0, EVENT_NAMES.index(name.replace("_", " "))] = score
    return dict(zip(BRIDGE.concepts, HEARING(torch.from_numpy(events))[0].tolist(), strict=True))


def test_ranges_of_numbers_are_inclusive():
    assert numbers("3 5-7") == [3, 5, 6, 7]
    assert numbers("") == []


@pytest.mark.parametrize(
    ("sound", "concept"),
    [
        ("Bark", "dog"),
        ("Meow", "cat"),
        ("Moo", "cattle"),
        ("Trumpet", "brass"),
        ("Chainsaw", "mower"),
        ("Train horn", "train"),
        ("Waterfall", "water"),
    ],
)
def test_a_specific_sound_activates_its_concept_most(sound, concept):
    active = activations(**{sound.replace(" ", "_"): 0.9})
    assert active[concept] == pytest.approx(0.9)
    assert active[concept] >= max(active.values())


@pytest.mark.parametrize("voice", ["Speech", "Singing", "Laughter", "Cough"])
def test_voices_activate_people_and_their_heads(voice):
    active = activations(**{voice: 0.8})
    assert active["head"] == pytest.approx(0.8)
    assert active["person"] == pytest.approx(0.64)


def test_music_speaks_for_every_instrument_until_one_is_named():
    music = activations(Music=0.9)
    assert music["guitar"] == pytest.approx(0.54)
    assert music["piano"] == pytest.approx(0.54)
    named = activations(Music=0.9, Piano=0.8)
    assert named["piano"] == pytest.approx(0.8)
    assert named["guitar"] < 0.2


def test_a_lookalike_gets_a_fifth():
    active = activations(Bark=0.5)
    assert active["cat"] == pytest.approx(0.1)


def test_scores_below_their_threshold_do_not_count():
    assert max(activations(Bark=0.04).values()) == 0
    assert activations(Speech=0.14)["head"] == 0
    assert activations(Snort=0.39)["head"] == 0  # brown noise sounds like a snort


def test_silence_activates_nothing():
    assert max(activations().values()) == 0


def test_every_concept_can_be_heard_and_seen():
    heard = np.maximum(BRIDGE.sure, BRIDGE.near).max(0)
    assert (heard > 0).all()
    assert (BRIDGE.looks[:-2].sum(1) > 0).all()


@pytest.mark.weights
def test_names_of_linked_sounds_and_looks_are_nearer_than_others(published):
    published(MINILM)
    published(IMAGENET_NAMES)
    minilm = load_minilm()
    with torch.inference_mode():
        similarity = minilm.encode(list(EVENT_NAMES)).numpy() @ minilm.encode(class_names()).numpy().T
    linked = np.maximum(BRIDGE.sure, BRIDGE.near)[:, :-2] @ BRIDGE.looks[:-2] > 0
    assert similarity[linked].mean() > similarity[~linked].mean() + 0.08
