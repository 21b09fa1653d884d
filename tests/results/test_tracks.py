from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.results.model import Detection, Heard
from app.results.tracks import tracks_of

BOX = (0.0, 0.0, 0.5, 0.5)


def test_objects_are_collected_over_the_frames_in_which_they_were_found(make_result):
    guitar = Detection(BOX, "guitar", 0.9, 0.2, 1)
    later = replace(guitar, label="violin", score=0.7, sounding=0.8)
    dog = Detection(BOX, "dog", 0.8, 0.1, 2)
    result = make_result(np.zeros((4, 2, 2)), detections=((dog, guitar), (), (later,), (dog,)))
    first, second = tracks_of(result.frames)
    assert (first.track_id, first.rows, first.detections) == (1, (0, 2), (guitar, later))
    assert (first.label, first.score, first.sounding) == ("violin", 0.9, 0.8)
    assert (second.track_id, second.label, second.rows) == (2, "dog", (0, 3))


def test_without_detections_there_are_no_tracks(make_result):
    assert tracks_of(make_result(np.zeros((2, 2, 2))).frames) == ()
    assert tracks_of(make_result(np.zeros((2, 2, 2)), detections=((), ())).frames) == ()


def _track(make_result, *sounds, label="dog"):
    detections = tuple((Detection(BOX, label, 0.9, 0.9, 1, sound),) for sound in sounds)
    (track,) = tracks_of(make_result(np.zeros((len(sounds), 2, 2)), detections=detections).frames)
    return track


def test_sound_of_an_object_is_a_vote_of_the_frames_that_name_one(make_result):
    sounds = Heard("Bark", 0.3), Heard("Growling", 0.5), None, Heard("Bark", 0.4)
    assert _track(make_result, *sounds).sound == Heard("Bark", 0.4)
    assert _track(make_result, *sounds[:3]).sound == Heard("Growling", 0.5)


def test_object_is_called_by_its_label_and_the_first_name_of_its_sound(make_result):
    horn = Heard("Vehicle horn, car horn, honking", 0.4)
    assert _track(make_result, horn, label="car").called == "car · Vehicle horn"


def test_name_that_the_label_says_already_is_not_repeated(make_result):
    assert _track(make_result, Heard("Violin, fiddle", 0.4), label="violin").called == "violin"


def test_object_that_no_frame_names_is_called_by_its_label(make_result):
    silent = _track(make_result, None, None)
    assert (silent.sound, silent.called) == (None, "dog")
