from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.results.model import Detection
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
