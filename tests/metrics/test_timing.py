import pytest

from training.metrics.timing import (
    best_constant,
    constant_hits,
    event_everywhere,
    partial_events,
    peak_time,
    time_hit,
)

SPANS = [(0, 10), (2, 6), (0, 3), (5, 10), (4, 4)]


def test_partial_events_leave_a_part_of_the_clip_free():
    assert partial_events(SPANS, duration_s=10).tolist() == [False, True, True, True, True]


def test_a_constant_second_hits_what_has_begun_and_not_ended():
    # 5 lies in [0, 10), [2, 6) and [5, 10), not in [0, 3). An event without duration is never hit.
    assert constant_hits(SPANS, second=5).tolist() == [True, True, False, True, False]
    assert constant_hits(SPANS, second=6).tolist() == [True, False, False, True, False]
    assert not constant_hits([(4, 4)], second=4).any()


def test_the_best_constant_has_seen_the_answers():
    # 0: two of five, 2: three, 5: three; the first of equals.
    assert best_constant(SPANS, seconds=range(10)) == (2.0, 0.6)


def test_the_event_all_the_time_scores_its_mean_coverage():
    # (10 + 4 + 3 + 5 + 0) / 50
    assert event_everywhere(SPANS, duration_s=10) == pytest.approx(0.44)


def test_pointing_in_time_takes_the_first_maximum():
    times_s = [0.5, 1.5, 2.5]
    assert peak_time([0.1, 0.9, 0.9], times_s) == 1.5
    assert time_hit([0.1, 0.9, 0.2], times_s, start_s=1, end_s=2)
    assert not time_hit([0.1, 0.2, 0.9], times_s, start_s=1, end_s=2.5)  # half-open


def test_a_constant_curve_points_nowhere():
    assert peak_time([0.3, 0.3], [0, 1]) is None
    assert not time_hit([0.3, 0.3], [0, 1], start_s=0, end_s=9)
