import numpy as np
import pytest

from app.inference.manifest import Events
from app.pipeline.features import Features
from app.pipeline.localize import localize, name_events, unheard

EVENTS = Events(
    labels=("Speech", "Dog", "Bark", "Silence", "Music"), thresholds=(0.15, 0.05, 0.05, 0.01, 0.05)
)


def _names(*scores: float) -> list[tuple[str, float]]:
    heard = name_events(np.array(scores, np.float32), EVENTS)
    return [(event.label, round(event.score, 3)) for event in heard]


def test_events_come_by_falling_score_and_generic_names_stay():
    assert _names(0.0, 0.3, 0.2, 0.0, 0.9) == [("Music", 0.9), ("Dog", 0.3), ("Bark", 0.2)]


def test_each_event_has_a_threshold_of_its_own():
    assert _names(0.14, 0.06, 0.04, 0.0, 0.0) == [("Dog", 0.06)]
    assert _names(0.16, 0.0, 0.0, 0.0, 0.0) == [("Speech", 0.16)]


def test_no_more_than_three_are_named():
    assert len(_names(0.9, 0.8, 0.7, 0.0, 0.6)) == 3


def test_silence_is_not_a_sound():
    assert _names(0.0, 0.0, 0.0, 0.25, 0.0) == []


def _features(n: int, loudness: float) -> Features:
    tokens = np.zeros((n, 4, 4, 3), np.float32)
    tokens[:, 3, 0] = 1
    events = np.tile(np.array([loudness, 0, 0, 0], np.float32), (n, 1))
    return Features(tokens, np.ones((n, 2, 2, 3), np.float32) / 3, events, np.zeros((n, 2), np.float32))


@pytest.mark.parametrize("loudness", [0.0, 0.4, 1.0])
def test_the_heatmap_is_passed_on_as_the_graph_calibrated_it(tiny_bundle, loudness):
    frames = localize(tiny_bundle, _features(2, loudness), time_s=np.arange(2.0), frame=np.arange(2))
    expected = np.zeros((2, 4, 4), np.float32)
    expected[:, 3, 0] = loudness
    np.testing.assert_allclose(frames.heatmap, expected, atol=1e-6)
    np.testing.assert_allclose(frames.presence, [loudness] * 2, atol=1e-6)
    assert [len(names) for names in frames.heard] == [int(loudness > 0)] * 2


def test_where_nothing_can_be_heard_everything_is_dark(tiny_bundle):
    frames = unheard(tiny_bundle, time_s=np.arange(3.0), frame=np.arange(3))
    assert frames.heatmap.shape == (3, 4, 4)
    assert not frames.heatmap.any()
    assert not frames.presence.any()
    assert frames.heard == ((), (), ())
