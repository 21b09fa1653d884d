from dataclasses import replace

import numpy as np
import pytest

from app.pipeline.naming import name_sounds
from app.results.model import Detection, Heard

LEFT, RIGHT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)
SOUNDING = Detection(LEFT, "plain", 0.9, 0.5, 0)  # at the threshold
SILENT = replace(SOUNDING, box=RIGHT, sounding=0.49)
RED_THEN_GREEN = np.array([[[0.6, 0.4, 0.0], [0.1, 0.9, 0.0]]] * 2, np.float32)  # from left to right
TONE_AND_MUSIC = np.array([1.0, 0.6, 0.0, 0.0], np.float32)


def _named(bundle, *frames, events=TONE_AND_MUSIC):
    count = len(frames)
    return name_sounds(
        bundle, frames, np.stack([RED_THEN_GREEN] * count), np.repeat(events[None], count, axis=0)
    )


def test_the_event_that_fits_the_looks_inside_the_box_names_what_sounds(tiny_naming_bundle):
    left, right = (SOUNDING, SILENT), (SILENT, replace(SOUNDING, box=RIGHT))
    (first, second), (third, fourth) = _named(tiny_naming_bundle, left, right)
    assert first == replace(SOUNDING, sound=Heard("Tone", pytest.approx(0.6)))  # Music: 0.4 * 0.6
    assert fourth.sound == Heard("Music", pytest.approx(0.54))  # Tone: 0.1
    assert second == third == SILENT


def test_a_box_across_both_has_the_looks_of_both(tiny_naming_bundle):
    ((found,),) = _named(tiny_naming_bundle, (replace(SOUNDING, box=(0.25, 0.2, 0.625, 0.9)),))
    assert found.sound == Heard("Tone", pytest.approx((2 * 0.6 + 0.1) / 3))


def test_where_several_sound_none_is_named_and_other_frames_are(tiny_naming_bundle):
    several = (SOUNDING, replace(SOUNDING, box=RIGHT))
    first, second, third = _named(tiny_naming_bundle, several, (SOUNDING,), (SILENT,))
    assert first == several
    assert second[0].sound.label == "Tone"
    assert third == (SILENT,)


def test_nothing_heard_gives_no_name(tiny_naming_bundle):
    silence = np.array([0, 0, 1, 0], np.float32)
    assert _named(tiny_naming_bundle, (SOUNDING,), events=silence) == ((SOUNDING,),)


def test_a_bundle_without_the_graph_changes_nothing(tiny_detecting_bundle):
    assert _named(tiny_detecting_bundle, (SOUNDING,)) == ((SOUNDING,),)


def test_a_frame_without_objects_stays_so(tiny_naming_bundle):
    assert _named(tiny_naming_bundle, ()) == ((),)
