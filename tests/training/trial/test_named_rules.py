import tomllib

import pytest

from training.data.composites.inventory import read_inventory
from training.encoders.events import EVENT_NAMES
from training.guided.bridge import load_bridge
from training.trial.named_rules import RULES, meaning_of

VIOLIN_CLASS, CELLO_CLASS, BELL_COTE_CLASS = 889, 486, 442


def event(name):
    return EVENT_NAMES.index(name)


@pytest.mark.parametrize(
    ("label", "right", "wrong"),
    [
        ("dog", {"Dog", "Bark", "Growling"}, {"Animal", "Cat"}),
        ("cello", {"Cello", "Violin, fiddle", "Bowed string instrument"}, {"Music", "Guitar"}),
        ("donkey", {"Neigh, whinny"}, {"Howl", "Animal"}),  # YAMNet hears a howl in its sound
        ("theremin", {"Theremin"}, {"Synthesizer"}),
        ("woman", {"Speech", "Singing"}, {"Bark"}),
    ],
)
def test_a_thing_may_be_called_by_events_of_its_concepts_and_of_its_kind(label, right, wrong):
    meaning = meaning_of(label)
    assert all(meaning.is_event(event(name)) for name in right)
    assert not any(meaning.is_event(event(name)) for name in wrong)


def test_classes_of_a_concept_are_right():
    meaning = meaning_of("cello")
    assert meaning.is_class(CELLO_CLASS)
    assert meaning.is_class(VIOLIN_CLASS)
    assert not meaning.is_class(BELL_COTE_CLASS)


@pytest.mark.parametrize(
    ("label", "word", "right"),
    [
        ("woman", "person", True),
        ("lorry", "truck", True),
        ("lorry", "lorry", True),
        ("lorry", "fire engine", False),
        ("duck", "bird", True),
        ("songbird", "duck", False),
        ("fireworks", "explosion", True),  # the first name of an event
        ("dog", "animal", False),
        ("dog", "no such word", False),
    ],
)
def test_words_of_a_detector_are_judged(label, word, right):
    assert meaning_of(label).is_word(word) is right


def test_a_free_text_means_what_any_of_its_words_means():
    meaning = meaning_of("singing (+ guitars)")
    assert meaning.concepts == {"guitar", "person", "head"}
    assert meaning_of("Hammering metal").concepts == {"tool"}
    assert meaning_of("a thing of no kind") is None


def test_rules_name_concepts_and_listed_events_only_and_cover_what_sounds_in_sight():
    rules, inventory = tomllib.loads(RULES.read_text()), read_inventory()
    concepts = {concept for means in rules["means"].values() for concept in means.split()}
    assert concepts <= set(load_bridge().concepts)
    for kind, events in rules["not_called"].items():
        assert set(events) <= set(inventory[kind].events)
    in_sight = {name for name, kind in inventory.items() if kind.sounding and kind.pictures}
    assert in_sight <= set(rules["means"])
