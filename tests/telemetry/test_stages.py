from contextlib import contextmanager

import pytest

from app.telemetry.metrics import Metrics
from app.telemetry.stages import StageWatch


class Time:
    """Stands still until it is moved."""

    def __init__(self):
        self.now_s = 100.0

    def move(self, seconds):
        self.now_s += seconds


@pytest.fixture
def time(monkeypatch):
    time = Time()
    monkeypatch.setattr("app.telemetry.stages.time.perf_counter", lambda: time.now_s)
    return time


def told(watch):
    """How much each stage was told to last, and how often it was told."""
    metrics = Metrics()
    watch.tell(metrics)
    (family,) = metrics.stage_seconds.collect()
    return {
        kind: {
            sample.labels["stage"]: sample.value for sample in family.samples if sample.name.endswith(kind)
        }
        for kind in ("_sum", "_count")
    }


def test_stages_add_up_to_the_time_of_the_analysis_and_are_told_once(time):
    watch = StageWatch()
    time.move(1.0)
    watch.opened()
    for _ in range(2):
        time.move(2.0)
        watch.decoded(2.0)
        with watch.waiting(turn(time, 0.5)):
            time.move(3.0)
            watch.ran(2.75)
    figures = told(watch)
    assert figures["_sum"] == {"probe": 1.0, "decode": 4.0, "wait": 1.0, "infer": 5.5, "post": 0.5}
    assert sum(figures["_sum"].values()) == 1 + 2 * (2 + 0.5 + 3)
    assert set(figures["_count"].values()) == {1}


@contextmanager
def turn(time, seconds):
    time.move(seconds)
    yield


def test_clip_that_cannot_be_opened_has_one_stage(time):
    watch = StageWatch()
    time.move(0.25)
    assert told(watch)["_sum"] == {"probe": 0.25}
