from dataclasses import replace

import numpy as np
import pytest

from app.pipeline.tracking import MAX_GAP_S, Tracker, settle_labels
from app.results.model import Detection


def at(x: float, y: float = 0.5, *, label: str = "dog", score: float = 0.9) -> Detection:
    """A box of a fifth of the frame around that centre."""
    return Detection((x - 0.1, y - 0.1, x + 0.1, y + 0.1), label, score, 0.0, 0)


def follow(frames: list[tuple[float, list[Detection]]], tracker: Tracker | None = None) -> list[list[int]]:
    tracker = tracker or Tracker()
    return [[found.track_id for found in tracker.follow(time_s, boxes)] for time_s, boxes in frames]


def test_numbers_start_at_one_in_order_of_appearance_and_stay():
    frames = [(0.0, [at(0.2), at(0.8)]), (0.3, [at(0.82), at(0.22)]), (0.6, [at(0.5), at(0.2), at(0.8)])]
    assert follow(frames) == [[1, 2], [2, 1], [3, 1, 2]]


@pytest.mark.parametrize("fps", [3, 8])
def test_objects_that_cross_keep_their_numbers(fps):
    times_s = np.arange(0, 3.01, 1 / fps)
    left, right = 0.15 + 0.25 * times_s, 0.85 - 0.25 * times_s
    frames = [(t, [at(a, 0.48), at(b, 0.52)]) for t, a, b in zip(times_s, left, right, strict=True)]
    ids = follow(frames)
    assert ids[0] == ids[-1] == [1, 2]
    assert abs(left[-1] - right[-1]) > 0.5
    assert ids == [[1, 2]] * len(times_s)


@pytest.mark.parametrize("fps", [3, 12])
def test_an_object_survives_a_gap_in_seconds_whatever_the_rate(fps):
    def ids_after(gap_s: float) -> list[int]:
        seen = [(t, [at(0.5)]) for t in np.arange(0, 1.01, 1 / fps)]
        missed = [(t, []) for t in np.arange(1 + 1 / fps, 1 + gap_s - 0.01, 1 / fps)]
        return follow([*seen, *missed, (1 + gap_s, [at(0.5)])])[-1]

    assert ids_after(0.67 * MAX_GAP_S) == [1]
    assert ids_after(2 * MAX_GAP_S) == [2]


def test_an_object_is_expected_where_it_was_going_after_a_gap():
    frames = [(t / 4, [at(0.2 + 0.05 * t)]) for t in range(5)]
    frames += [(t / 4, []) for t in (5, 6)] + [(7 / 4, [at(0.2 + 0.05 * 7)])]
    assert follow(frames)[-1] == [1]


def test_frames_far_apart_are_still_compared_with_the_one_before():
    assert follow([(0.0, [at(0.5)]), (5.0, [at(0.52)]), (10.0, [at(0.5)])]) == [[1], [1], [1]]


def test_a_box_somewhere_else_is_another_object():
    assert follow([(0.0, [at(0.2)]), (0.3, [at(0.8)])]) == [[1], [2]]


def test_one_object_never_takes_two_boxes():
    assert follow([(0.0, [at(0.5)]), (0.3, [at(0.53), at(0.51)])]) == [[1], [2, 1]]


def test_the_cut_into_batches_does_not_change_the_numbers():
    rng = np.random.default_rng(0)
    frames = [
        (row / 4, [at(*place) for place in rng.uniform(0.1, 0.9, (rng.integers(0, 6), 2))])
        for row in range(40)
    ]
    whole = follow(frames)
    tracker = Tracker()
    cut = [ids for start in range(0, 40, 7) for ids in follow(frames[start : start + 7], tracker)]
    assert cut == whole
    assert len({number for ids in whole for number in ids}) > 20


def test_the_label_is_that_with_the_most_score_so_far():
    tracker = Tracker()
    shown = [
        tracker.follow(row / 4, [at(0.5, label=label, score=score)])[0].label
        for row, (label, score) in enumerate(
            [("dog", 0.6), ("cat", 0.5), ("cat", 0.5), ("dog", 0.3), ("dog", 0.3)]
        )
    ]
    assert shown == ["dog", "dog", "cat", "cat", "dog"]


def test_settled_labels_are_those_of_the_last_frame_that_shows_the_object():
    dog, cow = replace(at(0.2), track_id=1), replace(at(0.8, label="cow"), track_id=2)
    settled = settle_labels([(dog, cow), (replace(dog, label="cat"),), ()])
    assert [[found.label for found in frame] for frame in settled] == [["cat", "cow"], ["cat"], []]
    assert settled[0][0] == replace(dog, label="cat")


def test_the_order_the_box_and_the_score_are_kept():
    first, second = at(0.2, score=0.5), at(0.8, score=0.9)
    followed = Tracker().follow(0.0, [first, second])
    assert followed == (replace(first, track_id=1), replace(second, track_id=2))
