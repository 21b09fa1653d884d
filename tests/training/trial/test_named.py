"""Names of blocks that look like a dog and bark, or look like a car and honk, and how they are judged."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from tests.training.methods.avdet.made_blocks import CLASS_MAP, SMALL, WIDTHS, scene
from tests.training.methods.made_scenes import write_scenes
from training.cache.index import CacheError
from training.cache.reading import open_cache
from training.cli import cli
from training.encoders.events import EVENT_NAMES
from training.methods.avdet.config import AvdetConfig
from training.methods.avdet.module import Avdet
from training.trial import named_arms
from training.trial.named import NamedThings, best_cell, named_things
from training.trial.named_report import by_concepts, report_on
from training.trial.named_rules import meaning_of

DOG_CLASS, CAR_CLASS = 151, 817  # Chihuahua, sports car
BARK, SPEECH = EVENT_NAMES.index("Bark"), EVENT_NAMES.index("Speech")
CAR_HORN = EVENT_NAMES.index("Vehicle horn, car horn, honking")


def things(rows, *, groups=None):
    """Things, each given by its label, the class seen, the events heard, the detector's label, and whether it
    sounds."""
    looks, heard = torch.zeros(len(rows), 1000), torch.zeros(len(rows), 521)
    for row, (_, seen, events, _, _) in enumerate(rows):
        looks[row, seen] = 1
        for number, score in events.items():
            heard[row, number] = score
    return NamedThings(
        "made",
        looks,
        heard,
        tuple(row[3] for row in rows),
        tuple(meaning_of(row[0]) for row in rows),
        np.array([row[4] for row in rows]),
        np.arange(len(rows)) if groups is None else np.array(groups),
        np.arange(len(rows)) if groups is None else np.array(groups),
    )


@pytest.fixture
def link():
    """Dogs and barks are called alike, and cars and their horns."""
    made = torch.zeros(1000, 521)
    made[DOG_CLASS, BARK] = made[CAR_CLASS, CAR_HORN] = 1
    return made


def labelled(number, label, **options):
    facts, encoded = scene(number, bridged=True, split="test", **options)
    return facts, dataclasses.replace(encoded, things=(label,))


@pytest.fixture
def detector():
    return Avdet(AvdetConfig(**SMALL), WIDTHS, (*CLASS_MAP[:2], 1000), ("dog", "car")).eval()


def test_the_cell_whose_box_fits_best_is_asked():
    boxes = torch.tensor([[0.0, 0, 0.2, 0.2], [0.5, 0.5, 1.4, 1.4], [0.6, 0.6, 0.6, 0.9]])
    assert best_cell(boxes, np.array([0.5, 0.5, 1, 1], np.float32)) == 1
    assert best_cell(boxes, np.array([0, 0, 0.3, 0.3], np.float32)) == 0


def test_things_are_gathered_with_what_is_seen_and_heard_of_them(tmp_path, detector):
    made = [labelled(0, "dog"), labelled(1, "car", sounding=False), labelled(2, "no such word")]
    found = named_things(open_cache(write_scenes(tmp_path / "cache", made)), "cache", detector)
    assert len(found) == 2
    assert found.looks.argmax(1).tolist() == [DOG_CLASS, CAR_CLASS]
    assert found.heard[0].argmax() == BARK
    assert found.meanings == (meaning_of("dog"), meaning_of("car"))
    assert found.sounding.tolist() == [True, False]
    assert found.frames.tolist() == [0, 1]
    assert set(found.detected) <= {"dog", "car"}


def test_a_cache_without_known_things_is_named(tmp_path, detector):
    cache = open_cache(write_scenes(tmp_path / "cache", [labelled(0, "no such word")]))
    with pytest.raises(CacheError, match="mine has no thing in a marked box whose names are known"):
        named_things(cache, "mine", detector)


def test_language_prefers_what_fits_the_looks_to_what_is_louder(link):
    both = {BARK: 0.5, SPEECH: 0.9}
    right = named_arms.heard_arms(things([("dog", DOG_CLASS, both, "car", True)]), link)
    assert right[named_arms.EVENT].tolist() == [0]
    assert right[named_arms.LANGUAGE].tolist() == [1]
    assert right[named_arms.EXCHANGED].tolist() == [0]
    assert right[named_arms.BRIDGED].tolist() == [1]
    assert right[named_arms.LANGUAGE_CLASS].tolist() == [1]


def test_general_events_are_not_said(link):
    music, guitar = EVENT_NAMES.index("Music"), EVENT_NAMES.index("Guitar")
    one = things([("guitar", DOG_CLASS, {music: 0.9, guitar: 0.1}, "car", True)])
    assert named_arms.heard_arms(one, link)[named_arms.EVENT].tolist() == [1]


def test_arms_that_do_not_hear_name_looks():
    seen = named_arms.seen_arms(
        things([("dog", DOG_CLASS, {}, "car", False), ("dog", CAR_CLASS, {}, "dog", False)])
    )
    assert seen[named_arms.DETECTED].tolist() == [0, 1]
    assert seen[named_arms.CLASS].tolist() == [1, 0]
    assert seen[named_arms.CONCEPT].tolist() == [1, 0]


def test_a_report_compares_language_with_every_arm_in_each_part(link):
    rows = [
        ("dog", DOG_CLASS, {BARK: 0.5, SPEECH: 0.9}, "car", True),
        ("car", CAR_CLASS, {CAR_HORN: 0.5}, "car", True),
        ("dog", DOG_CLASS, {CAR_HORN: 0.5}, "dog", True),
        ("dog", DOG_CLASS, {}, "dog", False),
    ]
    report = report_on(things(rows, groups=[0, 1, 1, 2]), link, found=None, boxes=0)
    parts = {part.what: {line.name: line for line in part.lines} for part in report.parts}
    assert [part.n for part in report.parts] == [3, 3, 1, 2, 1]
    everything = parts["that sound"]
    assert everything[named_arms.LANGUAGE].ahead is None
    assert everything[named_arms.LANGUAGE].right.value == pytest.approx(200 / 3)
    assert everything[named_arms.EVENT].ahead.value == pytest.approx(100 / 3)
    assert everything[named_arms.DETECTED].ahead.value == pytest.approx(0)
    assert parts["that sound alone"][named_arms.LANGUAGE].right.value == 100
    assert parts["that sound beside others"][named_arms.LANGUAGE].right.value == 50
    silent = parts["that are silent"]
    assert list(silent) == [named_arms.DETECTED, named_arms.CLASS, named_arms.CONCEPT]


def test_a_report_has_a_part_for_what_boxes_found(link):
    rows = [("dog", DOG_CLASS, {BARK: 0.5, SPEECH: 0.9}, "car", True)]
    report = report_on(things(rows), link, found=things(rows * 2), boxes=5)
    (part,) = [part for part in report.parts if "5 boxes" in part.what]
    assert part.n == 2
    ahead = {line.name: line.ahead for line in part.lines}
    assert ahead[named_arms.DETECTED].value == ahead[named_arms.EVENT].value == 100


def test_by_concepts_leaves_out_what_has_none_and_what_only_events_may_say():
    explosion = EVENT_NAMES.index("Explosion")
    kept = by_concepts(things([("explosion", 0, {}, "dog", True), ("tank", 0, {}, "gun", True)]))
    assert len(kept) == 1
    assert meaning_of("tank").is_event(explosion)
    assert not kept.meanings[0].is_event(explosion)
    assert kept.meanings[0].is_word("gun")


def test_the_command_writes_figures_and_tables(tmp_path, monkeypatch, detector, link):
    cache = write_scenes(tmp_path / "unseen", [labelled(0, "dog"), labelled(1, "car")])
    monkeypatch.setattr("training.detector.shipped.load_shipped", lambda: detector)
    found = things([("dog", DOG_CLASS, {BARK: 0.5}, "car", True)])
    monkeypatch.setattr("app.inference.bundle.load_bundle", lambda *_: None)
    monkeypatch.setattr("training.trial.named_boxes.found_things", lambda *_: (found, 3))
    monkeypatch.setattr("training.guided.names.class_names", lambda: [""])
    monkeypatch.setattr("training.methods.language_guidance.naming.name_link", lambda *_names: link)
    out = tmp_path / "out"
    result = CliRunner().invoke(cli, ["naming-trial", "--test", str(cache), "--out", str(out)])
    assert result.exit_code == 0, result.output
    (gallery,) = json.loads((out / "naming.json").read_text())["galleries"]
    assert gallery["name"] == "unseen"
    lines = {line["name"]: line for line in gallery["parts"][0]["lines"]}
    assert lines[named_arms.LANGUAGE]["right"]["value"] == 100
    assert [part["n"] for part in gallery["parts"] if "3 boxes" in part["what"]] == [1]
    assert f"| {named_arms.EXCHANGED} |" in (out / "naming.md").read_text()
