"""Boxes that a detector is made to find around blocks that bark, or beside them."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from app.results.model import Detection
from tests.training.methods.avdet.made_blocks import scene
from tests.training.methods.made_scenes import write_scenes
from training.cache.reading import open_cache
from training.encoders.events import EVENT_NAMES
from training.trial import named_boxes
from training.trial.named_boxes import found_things
from training.trial.named_rules import meaning_of

DOG_CLASS = 151  # Chihuahua


@pytest.fixture
def found_in(tmp_path, monkeypatch):
    """What is found in one example of a dog, whose box is (0.25, 0.25, 0.75, 0.75)."""

    def find(*detections, label="dog", **options):
        facts, encoded = scene(0, bridged=True, split="test", **options)
        boxes = np.full_like(encoded.arrays["boxes"], 0.25)
        boxes[..., 2:] = 0.75
        encoded = dataclasses.replace(encoded, things=(label,), arrays={**encoded.arrays, "boxes": boxes})
        cache = open_cache(write_scenes(tmp_path / "cache", [(facts, encoded)]))
        bundle = SimpleNamespace(
            detector=SimpleNamespace(sounding=SimpleNamespace(threshold=0.5)),
            localize=lambda *_: (np.zeros((1, 4, 4)), np.zeros(1)),
        )
        monkeypatch.setattr(named_boxes, "detect", lambda *_: (detections,))
        return found_things(cache, "cache", bundle)

    return find


def _box(*box, sounding=0.9, label="cat"):
    return Detection(box, label, 0.8, sounding, 0)


AROUND = _box(0.3, 0.25, 0.8, 0.8)
ELSEWHERE = _box(0.0, 0.0, 0.5, 0.5)  # IoU 1 / 7


def test_the_box_that_sounds_alone_stands_for_the_thing_that_it_shows(found_in):
    things, boxes = found_in(AROUND, _box(0.3, 0.25, 0.8, 0.8, sounding=0.4))
    assert (len(things), boxes) == (1, 1)
    assert things.detected == ("cat",)
    assert things.meanings == (meaning_of("dog"),)
    assert things.looks.argmax(1).tolist() == [DOG_CLASS]
    assert things.heard[0].argmax() == EVENT_NAMES.index("Bark")


def test_a_box_that_shows_nothing_is_counted_only(found_in):
    assert found_in(ELSEWHERE) == (None, 1)


def test_a_box_around_what_is_silent_is_counted_only(found_in):
    assert found_in(AROUND, sounding=False) == (None, 1)


def test_a_box_around_what_has_no_known_meaning_is_counted_only(found_in):
    assert found_in(AROUND, label="no such word") == (None, 1)


@pytest.mark.parametrize("detections", [(), (AROUND, ELSEWHERE), (_box(0.3, 0.25, 0.8, 0.8, sounding=0.4),)])
def test_where_none_or_several_sound_nothing_is_named(found_in, detections):
    assert found_in(*detections) == (None, 0)
