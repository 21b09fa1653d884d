import pytest

from training.encoders.events import EVENT_NAMES
from training.trial.known_events import events_of


def names_of(label):
    return {EVENT_NAMES[event] for event in events_of(label, EVENT_NAMES)}


def test_a_kind_of_the_composed_scenes_has_its_events_listed():
    assert names_of("dog") == {"Dog", "Bark", "Growling", "Animal"}
    assert names_of("violin") == {"Violin, fiddle", "Bowed string instrument", "Music"}
    assert events_of("dog", ("Cat", "Bark", "Dog")) == [1, 2]


@pytest.mark.parametrize(
    ("label", "right", "wrong"),
    [
        ("dog barking", {"Dog", "Bark"}, {"Cat", "Animal", "Growling"}),
        (
            "playing acoustic guitar",
            {"Acoustic guitar", "Guitar"},
            {"Music", "Violin, fiddle", "Children playing"},
        ),
        ("people sobbing", {"Crying, sobbing"}, {"Speech"}),
        ("Trains passing", {"Train", "Train horn"}, {"Bus"}),
    ],
)
def test_a_free_text_means_the_events_that_share_a_word_with_it(label, right, wrong):
    found = names_of(label)
    assert right <= found
    assert not found & wrong


@pytest.mark.parametrize("label", ["", "xyzzy", "animal sound", "musical instrument", "playing", "a b"])
def test_unknown_and_vague_words_mean_nothing(label):
    assert events_of(label, EVENT_NAMES) == []


def test_a_kind_that_makes_no_sound_means_nothing():
    assert events_of("gravestone", EVENT_NAMES) == []
