"""An analysis that is stopped, and analyses that take turns at the graphs."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from app.errors import Canceled, LimitExceeded
from app.inference.turns import Turns
from app.media import worker
from app.pipeline.analyze import analyze
from app.pipeline.options import AnalyzeOptions
from app.results.model import Explanation, FrameResults
from tests.fixtures_canceling import all_gone, canceled_in_time


@pytest.fixture
def run(sounding_square, tiny_explaining_bundle, tiny_settings) -> Callable[..., object]:
    """Analyses the sounding square (4 s, two stretches to explain) with all tasks of a bundle."""

    def start(*, fps: float = 10, tasks=("localize", "explain"), **arguments) -> object:
        options = AnalyzeOptions(fps=fps, tasks=tasks)
        return analyze(
            sounding_square,
            bundle=tiny_explaining_bundle,
            settings=tiny_settings,
            options=options,
            **arguments,
        )

    return start


def test_a_cancel_ends_an_analysis_whose_decode_child_is_silent(run, children, monkeypatch):
    monkeypatch.setattr(worker, "_PYTHON", (sys.executable, "-I", "-c", "import time; time.sleep(60)"))
    cancel = threading.Event()
    with canceled_in_time(cancel):
        run(cancel=cancel)
    assert all_gone(children)


def test_a_cancel_ends_an_analysis_that_waits_for_its_turn(run, children):
    turns, cancel = Turns(), threading.Event()
    with turns.turn("other", "other"), canceled_in_time(cancel):
        run(cancel=cancel, turn=lambda: turns.turn("mine", "mine", cancel))
    assert turns.n_waiting == 0
    assert all_gone(children)


def test_a_cancel_ends_an_analysis_before_the_next_explanation(run):
    cancel = threading.Event()
    explained: list[Explanation] = []

    def stop(explanation: Explanation) -> None:
        explained.append(explanation)
        cancel.set()

    with pytest.raises(Canceled):
        run(cancel=cancel, on_explanation=stop)
    assert len(explained) == 1


def test_a_cancel_after_the_last_frame_prevents_the_last_explanation(run):
    cancel = threading.Event()
    explained: list[Explanation] = []

    def stop(part: FrameResults) -> None:
        if part.frame[-1] == 39:
            cancel.set()

    with pytest.raises(Canceled):
        run(cancel=cancel, on_frames=stop, on_explanation=explained.append)
    assert len(explained) == 1


def test_an_error_of_the_caller_ends_the_analysis_and_the_decode_child(run, children):
    def refuse(source):
        assert not all_gone(children)
        raise LimitExceeded("too long to be answered at once", limit=2.0, setting="SOME_LIMIT")

    with pytest.raises(LimitExceeded, match="too long"):
        run(on_source=refuse)
    assert all_gone(children)


def test_a_turn_is_taken_for_each_run_and_given_back_before_anybody_is_told(run):
    entered: list[str] = []
    inside = False

    @contextmanager
    def turn() -> Iterator[None]:
        nonlocal inside
        assert not inside
        entered.append("turn")
        inside = True
        yield
        inside = False

    def tell(what: str) -> Callable[[object], None]:
        def note(_: object) -> None:
            assert not inside
            entered.append(what)

        return note

    run(fps=2, on_frames=tell("frames"), on_explanation=tell("explanation"), turn=turn)
    # Eight frames: a chunk with its sound and two batches. The sixth frame is the first one of the second
    # stretch, so the first one is explained after the second batch, and the second one at the end.
    batch = ["turn", "frames"]
    explanation = ["turn", "explanation"]
    assert entered == ["turn", *batch, *batch, *explanation, *explanation]


def test_a_short_clip_beside_a_long_one_is_not_slowed_to_its_end(run):
    turns, told = Turns(), []
    short_has_begun = threading.Event()

    def work(name: str, fps: float, on_frames: Callable[[FrameResults], None]) -> None:
        @contextmanager
        def slow_turn() -> Iterator[None]:
            with turns.turn("one owner", name):
                yield
                time.sleep(0.03)  # meanwhile the other one comes back and waits

        run(fps=fps, tasks=("localize",), on_frames=on_frames, turn=slow_turn)
        told.append(f"{name} done")

    def short_frames(_: FrameResults) -> None:
        told.append("short")
        short_has_begun.set()

    def long_frames(_: FrameResults) -> None:
        told.append("long")
        assert short_has_begun.wait(20)

    threads = [
        threading.Thread(target=work, args=("long", 10, long_frames)),  # ten batches of four frames
        threading.Thread(target=work, args=("short", 4, short_frames)),  # four of them
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (told.count("long"), told.count("short")) == (10, 4)
    assert told.index("short done") < told.index("long done")
    assert told[told.index("short") : told.index("short done")].count("long") <= 5
