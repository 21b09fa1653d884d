from __future__ import annotations

import io

import numpy as np
import pytest
import webvtt

from app.results.model import Detection, Heard
from app.results.vtt import write_vtt

GUITAR = (Heard("Guitar", 0.9),)
LEFT, CENTRE, RIGHT = (0.0, 0.2, 0.3, 0.8), (0.4, 0.2, 0.6, 0.8), (0.7, 0.2, 1.0, 0.8)


def _written(result) -> str:
    stream = io.BytesIO()
    write_vtt(result, stream)
    return stream.getvalue().decode()


def _cues(result) -> list[tuple[float, float, str]]:
    parsed = webvtt.from_buffer(io.StringIO(_written(result)))
    return [(_seconds(cue.start), _seconds(cue.end), cue.raw_text) for cue in parsed.captions]


def _seconds(timestamp: str) -> float:
    hours, minutes, seconds = timestamp.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _texts(result) -> list[str]:
    return [text for _, _, text in _cues(result)]


@pytest.fixture
def made(make_result):
    """A result from what is heard in each frame, half a second apart, with any of its other values."""

    def make(*heard, step_s=0.5, **overrides):
        times_s = [index * step_s for index in range(len(heard))]
        values = {"times_s": times_s, "duration_s": len(heard) * step_s} | overrides
        return make_result(np.zeros((len(heard), 2, 2)), heard=heard, **values)

    return make


def _object(label, box, *, sounding=0.9, track_id=1, sound=None):
    return Detection(box, label, 0.8, sounding, track_id, sound)


def test_file_is_the_format_that_browsers_read(made):
    lines = _written(made(GUITAR, GUITAR, (), GUITAR, presence=[0.9, 0.9, 0.0, 0.2])).splitlines()
    assert lines == [
        "WEBVTT",
        "",
        "NOTE Sounds heard by tiny 1.0 of Earsight",
        "",
        "00:00:00.000 --> 00:00:00.750",
        "Guitar (in view)",
        "",
        "00:00:01.250 --> 00:00:02.000",
        "Guitar (not in view)",
    ]


def test_frames_that_say_the_same_are_one_cue(made):
    assert _cues(made(*[GUITAR] * 6)) == [(0.0, 3.0, "Guitar (in view)")]


def test_sounding_objects_are_named_with_their_side_from_left_to_right(made):
    found = (
        _object("car", RIGHT, sounding=0.8, track_id=1),
        _object("acoustic guitar", LEFT, sounding=0.6, track_id=2),
        _object("dog", CENTRE, sounding=0.2, track_id=3),
    )
    assert _texts(made(GUITAR, detections=(found,))) == ["Guitar (acoustic guitar, left; car, right)"]


def test_object_is_called_by_its_sound_too_unless_the_cue_says_that_already(made):
    found = (_object("person", LEFT, sound=Heard("Acoustic guitar", 0.5)),)
    strumming = (Heard("Music", 0.9), Heard("Acoustic guitar", 0.8))
    assert _texts(made(GUITAR, strumming, detections=(found, found))) == [
        "Guitar (person · Acoustic guitar, left)",
        "Music · Acoustic guitar (person, left)",
    ]


def test_middle_of_the_picture_is_the_centre_and_equal_objects_are_named_once(made):
    found = (_object("person", CENTRE, track_id=1), _object("person", CENTRE, track_id=2))
    assert _texts(made(GUITAR, detections=(found,))) == ["Guitar (person, centre)"]


def test_where_no_object_sounds_the_presence_speaks(made):
    found = ((_object("dog", LEFT, sounding=0.49),),) * 2
    result = made(GUITAR, GUITAR, detections=found, presence=[0.9, 0.1])
    assert _texts(result) == ["Guitar (in view)", "Guitar (not in view)"]


def test_object_keeps_the_name_of_its_track(made):
    found = ((_object("wolf", LEFT),), (_object("dog", LEFT),))
    assert _texts(made(GUITAR, GUITAR, detections=found)) == ["Guitar (dog, left)"]


def test_names_are_two_at_most_and_do_not_swap(made):
    one = (Heard("Music", 0.9), Heard("Guitar", 0.8), Heard("Strum", 0.7))
    other = (Heard("Guitar", 0.85), Heard("Music", 0.8))
    assert _texts(made(one, other)) == ["Music · Guitar (in view)"]


def test_change_too_short_to_read_is_bridged_and_a_short_sound_on_its_own_is_not(made):
    dog = (Heard("Dog", 0.9),)
    frames = (GUITAR, GUITAR, dog, GUITAR, GUITAR, (), GUITAR, (), (), dog, (), ())
    assert _cues(made(*frames, step_s=0.25)) == [
        (0.0, 1.625, "Guitar (in view)"),
        (2.125, 2.375, "Dog (in view)"),
    ]


def test_nothing_heard_gives_a_file_without_cues(made):
    assert _cues(made((), ())) == []
    assert _written(made()) == "WEBVTT\n\nNOTE Sounds heard by tiny 1.0 of Earsight\n"


def test_cues_have_a_length(made):
    assert _cues(made(GUITAR, duration_s=0.0)) == []


def test_times_go_past_an_hour_and_start_with_the_first_frame(made):
    result = made(GUITAR, GUITAR, times_s=[3599.5, 360_000.0], duration_s=360_001.5)
    assert "00:59:59.500 --> 100:00:01.500" in _written(result)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Rock & roll", "Rock &amp; roll"),
        ("<b>Guitar", "&lt;b&gt;Guitar"),
        ("a --> b", "a --&gt; b"),
        ("two\n\nlines", "two lines"),
        ("nul\0", "nul\ufffd"),
    ],
)
def test_text_cannot_break_out_of_its_cue(made, name, written):
    result = made((Heard(name, 0.9),))
    assert _texts(result) == [f"{written} (in view)"]
    assert _written(result).count("-->") == 1
