import numpy as np
import pytest

from app.pipeline import stretches
from app.pipeline.features import Features
from app.pipeline.stretches import ClipExplainer, steps_of
from app.results.model import FrameResults


@pytest.fixture
def explained(monkeypatch):
    """What is handed over to be explained: (times of the steps, start_s, end_s, target)."""
    calls = []

    def note(bundle, steps, *, start_s, end_s, target):
        calls.append(([step.time_s for step in steps], start_s, end_s, target))
        return calls[-1]

    monkeypatch.setattr(stretches, "explain", note)
    return calls


def _frames(times_s, *, value=1.0):
    """Frames whose arrays all hold the time of the frame, and `value` as their window."""
    times = np.asarray(times_s, np.float64)

    def filled(*shape):
        return np.broadcast_to(times.reshape(-1, *[1] * len(shape)), (len(times), *shape)).astype(np.float32)

    frames = FrameResults(times, np.arange(len(times)), filled(4, 4), filled(), ((),) * len(times))
    features = Features(filled(4, 4, 3), filled(2, 2, 3), filled(4), filled(2))
    return frames, features, np.full((len(times), 2), value, np.float32)


def _feed(bundle, explainer, times_s, **arguments):
    frames, features, window = _frames(times_s, **arguments)
    steps = steps_of(frames, features, window=window, explainer=bundle.explainer)
    return [explanation for step in steps for explanation in explainer.add(step)]


def _run(bundle, times_s, *, batch=4, duration_s=None, **arguments):
    explainer = ClipExplainer(bundle, duration_s=times_s[-1] if duration_s is None else duration_s)
    found = []
    for start in range(0, len(times_s), batch):
        found += _feed(bundle, explainer, times_s[start : start + batch], **arguments)
    return found + list(explainer.finish())


def test_each_slot_gets_the_frame_nearest_to_its_middle(tiny_explaining_bundle, explained):
    _run(tiny_explaining_bundle, [index / 10 for index in range(20)], duration_s=2.0)
    assert explained == [([0.2, 0.7, 1.2, 1.7], 0.0, 2.0, -1)]  # 0.2 is as near to 0.25 as 0.3, and earlier


def test_stretches_follow_each_other_and_the_last_is_as_long_as_the_clip(tiny_explaining_bundle, explained):
    _run(tiny_explaining_bundle, [index / 2 + 0.25 for index in range(10)], duration_s=5.0)
    assert [(start_s, end_s) for _, start_s, end_s, _ in explained] == [(0, 2), (2, 4), (4, 5)]
    assert [len(times_s) for times_s, *_ in explained] == [4, 4, 2]


def test_frames_at_variable_rates_leave_gaps(tiny_explaining_bundle, explained):
    _run(tiny_explaining_bundle, [0.0, 0.01, 0.4, 1.6, 1.9, 4.1, 4.2, 4.8], duration_s=5.0)
    assert [times_s for times_s, *_ in explained] == [[0.4, 1.6], [4.2, 4.8]]


def test_a_frame_at_the_edge_belongs_to_what_begins_there(tiny_explaining_bundle, explained):
    edges = [np.nextafter(2.0, 0), 2.6, 0.1 * 35]
    _run(tiny_explaining_bundle, [0.0, 0.6, *edges], duration_s=4.0)
    assert explained[0][0] == [0.0, 0.6]
    assert explained[1][0] == edges


def test_a_stretch_with_one_step_is_not_explained(tiny_explaining_bundle, explained):
    _run(tiny_explaining_bundle, [0.1, 0.2, 0.3, 2.1, 2.6])
    assert [times_s for times_s, *_ in explained] == [[2.1, 2.6]]


def test_a_stretch_without_sound_is_not_explained(tiny_explaining_bundle, explained):
    assert _run(tiny_explaining_bundle, [0.1, 0.6, 1.1], value=0.0) == []
    assert explained == []


def test_a_stretch_is_explained_as_soon_as_it_is_over(tiny_explaining_bundle, explained):
    explainer = ClipExplainer(tiny_explaining_bundle, target=2, duration_s=9.0)
    assert _feed(tiny_explaining_bundle, explainer, [0.1, 0.6, 1.9]) == []
    assert _feed(tiny_explaining_bundle, explainer, [2.1, 2.2]) == [([0.1, 0.6, 1.9], 0.0, 2.0, 2)]
    assert _feed(tiny_explaining_bundle, explainer, [2.7]) == []
    assert list(explainer.finish()) == [([2.2, 2.7], 2.0, 4.0, 2)]
    assert list(explainer.finish()) == []


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_the_cut_into_batches_changes_nothing(tiny_explaining_bundle, explained, batch):
    times_s = np.sort(np.random.default_rng(0).uniform(0, 11, 60)).tolist()
    _run(tiny_explaining_bundle, times_s, batch=batch)
    in_batches = list(explained)
    explained.clear()
    _run(tiny_explaining_bundle, times_s, batch=7)
    assert in_batches == explained
    assert len(explained) == 6


def test_no_more_than_the_steps_of_one_stretch_are_kept(tiny_explaining_bundle, explained):
    explainer = ClipExplainer(tiny_explaining_bundle, duration_s=100.0)
    for start in range(0, 800, 8):
        _feed(tiny_explaining_bundle, explainer, [index / 8 for index in range(start, start + 8)])
        kept = explainer._steps.values()
        assert len(kept) <= 4
        for step in kept:
            arrays = (step.tokens, step.class_map, step.window, step.heat)
            assert all(array.base is None for array in arrays)  # a view would keep its whole batch
    assert len(explained) == 49


def test_what_belongs_to_a_frame_stays_together(tiny_explaining_bundle, monkeypatch):
    handed = []
    monkeypatch.setattr(stretches, "explain", lambda _, steps, **__: handed.extend(steps))
    _run(tiny_explaining_bundle, [0.3, 0.7, 1.2])
    for step in handed:
        value = np.float32(step.time_s)
        assert (step.tokens == value).all()
        assert (step.class_map == value).all()
        assert (step.heat == value).all()
        assert step.presence == value
    assert len(handed) == 3
