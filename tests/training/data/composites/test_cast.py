from collections import Counter

import numpy as np
import pytest

from training.data.composites import composites, interactive

N = 300


@pytest.fixture
def scripts(make_options):
    return [scene.script for scene in composites("train", N, options=make_options())]


def test_situations_and_numbers_of_objects_come_in_their_shares(scripts):
    situations = Counter(script.situation for script in scripts)
    # Standard deviations are 0.016 to 0.03: no share is off by more than three of them.
    for situation, share in (("one", 0.6), ("two", 0.2), ("silence", 0.08), ("offscreen", 0.12)):
        assert situations[situation] / N == pytest.approx(share, abs=0.09), situation
    assert {len(script.roles) for script in scripts} == {1, 2, 3}


def test_as_many_objects_sound_as_the_situation_says(scripts):
    for script in scripts:
        visible = [sound for sound in script.sounds if sound.role is not None]
        assert len(visible) == {"one": 1, "two": 2, "silence": 0, "offscreen": 0}[script.situation]
        assert len(script.sounds) == {"one": 1, "two": 2, "silence": 0, "offscreen": 1}[script.situation]


def test_a_sound_belongs_to_the_object_that_makes_it(scripts):
    for script in scripts:
        for sound in script.sounds:
            assert sound.recording in sound.kind.recordings
            if sound.role is not None:
                assert script.roles[sound.role].kind == sound.kind


def test_nothing_in_the_picture_could_make_the_sound_of_another(scripts):
    for script in scripts:
        for sound in script.sounds:
            others = [role.kind.alike for index, role in enumerate(script.roles) if index != sound.role]
            assert sound.kind.alike not in others


def test_spans_are_in_order_and_inside_the_scene(scripts):
    for script in scripts:
        for sound in script.sounds:
            edges = np.array(sound.spans).ravel()
            assert (np.diff(edges) > 0).all()
            assert edges[0] >= 0
            assert edges[-1] <= 4.0
            assert all(offset_s - onset_s >= 0.5 for onset_s, offset_s in sound.spans)


def test_two_objects_take_turns_or_overlap(scripts):
    overlaps = [
        max(first.spans[0][0], second.spans[0][0]) < min(first.spans[0][1], second.spans[0][1])
        for first, second in (script.sounds for script in scripts if script.situation == "two")
    ]
    assert 0.25 < np.mean(overlaps) < 0.75


def test_half_of_single_sounds_last_from_start_to_end(scripts):
    whole = [script.sounds[0].spans == ((0.0, 4.0),) for script in scripts if script.situation == "one"]
    assert np.mean(whole) == pytest.approx(0.5, abs=0.12)


def test_interactive_scenes_show_two_objects_that_each_sound_alone(make_options):
    scenes = interactive("train", 10, options=make_options())
    assert len(scenes) == 20
    for first, second in zip(scenes[::2], scenes[1::2], strict=True):
        assert first.script.roles == second.script.roles
        assert [scene.script.sounds[0].role for scene in (first, second)] == [0, 1]
        assert first.facts.scene == second.facts.scene != ""
        assert first.facts.id != second.facts.id
        assert first.facts.labels != second.facts.labels
        assert first.intervals()[0] == second.intervals()[1] == ((0.0, 4.0),)
        assert first.intervals()[1] == second.intervals()[0] == ()
