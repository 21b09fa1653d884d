import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.training.trial.made_world import EVENTS, clip
from training.methods.stan.network import Attention, Clips, Recognised
from training.methods.stan.scenes import Scene
from training.trial.explained import (
    Explained,
    best_constant,
    explained,
    recognised_rows,
    right_events,
    sources,
    when_rows,
    where_rows,
)

NAMES = ("Bark", "Meow", "Siren", "Animal")
SUREST = SimpleNamespace(events=NAMES, best_event=torch.argmax)
STEPS, NOWHERE = 4, [math.nan] * 4
FIRST, SECOND, THIRD, LAST = ([float(step == place) for step in range(STEPS)] for place in range(STEPS))


def scene_of(*things, told=None, heat=None):
    """A clip of four steps of 2 x 2 cells; a thing is its label, when it sounds, and a box or four."""
    labels, sounding, boxes = zip(*things, strict=True)
    boxes = [box if isinstance(box[0], list) else [box] * STEPS for box in boxes]
    told = torch.zeros(STEPS, len(NAMES)) if told is None else torch.tensor(told)
    heat = torch.zeros(STEPS, 4) if heat is None else torch.tensor(heat)
    return Scene(
        seen=torch.zeros(STEPS, 4, 1),
        heat=heat,
        heard=torch.zeros(STEPS, 1),
        told=told,
        there=torch.ones(STEPS, dtype=torch.bool),
        presence=torch.ones(STEPS),
        events=torch.zeros(len(NAMES)),
        cover=torch.zeros_like(heat),
        boxes=torch.tensor(boxes).transpose(0, 1),
        box_sounding=torch.tensor(sounding).bool().T,
        labels=labels,
        known=True,
        timed=True,
        times_s=torch.arange(STEPS) / 2,
        example=0,
    )


def answer_of(scene, *, logits=(0.0, 0, 0, 0), sight=(0.0, 0, 0, 0), sound=(0.0, 0, 0, 0), space=None):
    """What a network says of a clip; its event is the one with the highest logit."""
    said = Recognised(*(torch.tensor([part], dtype=torch.float32) for part in (logits, sight, sound)))
    space = torch.full((STEPS, 4), 0.25) if space is None else torch.tensor(space)
    nothing = torch.zeros(1)
    clips = Clips(nothing, nothing, nothing, nothing, nothing)
    attention = Attention(space[None, :, None], nothing, nothing)
    return Explained(scene, clips, said, attention, int(np.argmax(logits)))


def network(*, audio=None, visual=None, where=None):
    """Stands in for STAN: maps as given, `audio` and `visual` for each event or the same for all."""

    def pick(part, event):
        part = torch.tensor(FIRST if part is None else part)
        return part[int(event)] if part.dim() == 2 else part

    def maps(_clips, _attention, event):
        where_map = torch.zeros(STEPS, 4) if where is None else torch.tensor(where)
        return pick(audio, event), pick(visual, event), where_map

    return SimpleNamespace(maps=maps)


BOX = [0.0, 0.0, 0.5, 0.5]


def test_an_answer_has_the_event_with_the_highest_logit(world):
    scene = clip(3000)
    answer = explained(world.stan, scene)
    assert answer.event == int(world.stan.best_event(answer.recognised.logits[0]))
    assert answer.clips.seen.shape == (1, *scene.seen.shape)
    assert torch.equal(answer.clips.told[0], scene.told.float())
    assert not answer.recognised.logits.requires_grad


def test_sources_are_the_things_that_sound_at_some_time():
    silent = ("meow", [0, 0, 0, 0], BOX)
    scene = scene_of(silent, ("bark", [0, 0, 1, 0], BOX), silent)
    assert sources(scene) == [1]
    assert right_events(scene, NAMES) == {0}


def test_an_event_is_right_if_any_source_may_be_called_so():
    scene = scene_of(("dog", [1, 0, 0, 0], BOX), ("siren", [0, 1, 0, 0], BOX), ("meow", [0] * 4, BOX))
    assert right_events(scene, NAMES) == {0, 3, 2}  # a dog barks, and is an animal
    told = [[0.0, 0, 0, 0], [0, 9, 0, 0], [8, 0, 0, 0], [0, 0, 0, 0]]
    scene = scene_of(("dog", [1, 0, 0, 0], BOX), told=told)
    answer = answer_of(scene, logits=(0, 0, 0, 1), sight=(0, 0, 1, 0), sound=(1, 0, 0, 0))
    assert recognised_rows(SUREST, answer) == {
        "STAN": True,
        "its picture alone": False,
        "its sound alone": True,
        "audio teacher, highest score": False,
    }


def test_a_label_that_means_no_event_is_not_counted():
    scene = scene_of(("xylophone solo", [1, 1, 0, 0], BOX))
    assert recognised_rows(SUREST, answer_of(scene)) == {}


def test_pointing_is_judged_in_the_middle_of_the_steps_with_a_marked_source():
    """The source is marked at steps 1, 2 and 3, and at 2 in the upper right."""
    right = [0.5, 0.0, 1.0, 0.5]
    boxes = [NOWHERE, BOX, right, BOX]
    heat = [[1.0, 0, 0, 0]] * STEPS
    space = [[1.0, 0, 0, 0], [1.0, 0, 0, 0], [0, 1.0, 0, 0], [1.0, 0, 0, 0]]
    scene = scene_of(("bark", [1, 1, 1, 1], boxes), ("meow", [0] * 4, BOX), heat=heat)
    where = [[0.0, 0, 0, 1], [0, 0, 0, 1], [0, 0.6, 0.4, 0], [0, 0, 0, 1]]
    rows = where_rows(network(where=where), answer_of(scene, space=space))
    assert rows == {
        "STAN": True,
        "attention in space alone": True,
        "localiser": False,
        "middle of the frame": True,
    }
    lower = scene_of(("bark", [1, 1, 1, 1], [0.0, 0.6, 1.0, 1.0]), heat=[[0.0, 0, 0.2, 0.1]] * STEPS)
    assert where_rows(network(where=where), answer_of(lower, space=space)) == {
        "STAN": False,
        "attention in space alone": False,
        "localiser": True,
        "middle of the frame": False,
    }


@pytest.mark.parametrize(("sounding", "box"), [([1, 1, 0, 0], NOWHERE), ([0, 0, 0, 0], BOX)])
def test_without_a_marked_source_there_is_nothing_to_point_at(sounding, box):
    assert where_rows(network(), answer_of(scene_of(("bark", sounding, box)))) == {}


def test_any_of_several_sources_may_be_pointed_at():
    two = scene_of(("bark", [1] * 4, BOX), ("meow", [1] * 4, [0.5, 0.5, 1.0, 1.0]))
    for cell, hit in enumerate((True, False, False, True)):
        where = [[float(cell == other) for other in range(4)]] * STEPS
        assert where_rows(network(where=where), answer_of(two))["STAN"] is hit


def test_pointing_in_time_with_one_source_takes_the_event_of_the_network():
    told = [[0.0, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0], [9, 0, 0, 0]]
    scene = scene_of(("bark", [0, 1, 1, 0], BOX), told=told)
    answer = answer_of(scene, logits=(0, 0, 5, 0))  # which is wrong: a siren
    audio = [LAST, LAST, SECOND, LAST]
    ((rows, time),) = when_rows(network(audio=audio, visual=[FIRST] * 4), answer, NAMES)
    assert rows == {"attention to sound": True, "attention to picture": False, "audio teacher": True}
    assert time.tolist() == [False, True, True, False]


def test_of_equal_steps_the_last_one_counts():
    stan = network(audio=[0.0, 0.5, 0.5, 0.0], visual=[0.25] * 4)
    for sounding, sound, picture in (([0, 1, 0, 0], False, False), ([0, 0, 1, 0], True, False)):
        ((rows, _),) = when_rows(stan, answer_of(scene_of(("bark", sounding, BOX))), NAMES)
        assert rows["attention to sound"] is sound
        assert rows["attention to picture"] is picture
    ((rows, _),) = when_rows(stan, answer_of(scene_of(("bark", [0, 0, 0, 1], BOX))), NAMES)
    assert rows["attention to picture"] is True


def test_what_sounds_in_more_than_half_of_the_steps_tells_nothing_about_when():
    assert when_rows(network(), answer_of(scene_of(("bark", [1, 1, 1, 0], BOX))), NAMES) == []
    assert len(when_rows(network(), answer_of(scene_of(("bark", [1, 1, 0, 0], BOX))), NAMES)) == 1


def test_of_several_sources_each_is_sought_by_the_best_event_that_is_its_own():
    """Dog and cat are both animals, and nobody would know whose time that is."""
    things = ("dog", [0, 1, 0, 0], BOX), ("cat", [0, 0, 1, 1], BOX)
    audio = [SECOND, THIRD, FIRST, FIRST]
    answer = answer_of(scene_of(*things), logits=(0, 0, 3, 9))
    (dog, dog_time), (cat, cat_time) = when_rows(network(audio=audio), answer, NAMES)
    assert dog["attention to sound"]
    assert cat["attention to sound"]
    assert dog_time.tolist() == [False, True, False, False]
    assert cat_time.tolist() == [False, False, True, True]
    # Without an event of its own a source is left out, the other one is not.
    names = ("Bark", "Yip", "Animal")
    again = answer_of(scene_of(*things), logits=(0, 0, 3, 9))
    ((_, time),) = when_rows(network(audio=audio), again, names)
    assert time.tolist() == [False, True, False, False]
    assert when_rows(network(), answer_of(scene_of(things[0], things[0])), NAMES) == []


def test_of_its_own_events_the_one_with_the_highest_logit_is_taken():
    names = ("Bark", "Dog", "Meow", "Animal")
    things = ("dog", [0, 1, 0, 0], BOX), ("cat", [1, 1, 1, 1], BOX)
    audio = [FIRST, SECOND, FIRST, FIRST]
    hit, miss = (
        when_rows(network(audio=audio), answer_of(scene_of(*things), logits=logits), names)[0][0]
        for logits in ((1.0, 2, 9, 9), (2.0, 1, 9, 9))
    )
    assert hit["attention to sound"]
    assert not miss["attention to sound"]


def test_the_best_constant_is_the_step_that_most_times_hold():
    times = [torch.tensor(time).bool() for time in ([1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 1, 0, 0])]
    step, hits = best_constant(times)
    assert step == 1
    assert hits.tolist() == [True, True, False, True]


def test_what_was_learned_recognises_what_is_seen_and_heard(world, answers):
    rows = [recognised_rows(world.stan, answer) for answer in answers]
    hits = np.mean([row["STAN"] for row in rows])
    assert hits > 0.8  # a quarter by chance
    assert world.fitted.score > 0.9


def test_a_sound_whose_source_is_not_in_sight_is_no_event(world, answers):
    """The sound is the same, and only the picture can tell."""
    away = [explained(world.stan, clip(number, sound="none")) for number in range(3000, 3020)]
    absent = torch.stack([answer.recognised.logits.max().sigmoid() for answer in away])
    present = torch.stack([answer.recognised.logits.max().sigmoid() for answer in answers])
    threshold = world.stan.thresholds[0]
    assert (present > threshold).float().mean() > 0.75
    assert (absent < threshold).float().mean() > 0.75


def test_what_was_learned_points_at_the_source_better_than_the_heat_it_was_taught_with(world, answers):
    rows = [where_rows(world.stan, answer) for answer in answers]
    own, heat, middle = (
        np.mean([row[name] for row in rows]) for name in ("STAN", "localiser", "middle of the frame")
    )
    assert own > 0.8
    assert own > heat + 0.1 > middle + 0.1


def test_what_was_learned_points_in_time_better_than_the_best_constant_step(world, answers):
    found = [found for answer in answers for found in when_rows(world.stan, answer, EVENTS)]
    assert len(found) == len(answers)
    constant = best_constant([time for _, time in found])[1].mean()
    assert constant < 0.7
    for name in ("attention to sound", "attention to picture"):
        assert np.mean([rows[name] for rows, _ in found]) > constant + 0.25
