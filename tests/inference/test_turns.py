"""Turns at the graphs: who comes next, and that nobody is left out or left behind."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from app.errors import Canceled
from app.inference import turns as room
from app.inference.turns import Turns

PATIENCE_S = 10.0


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.002)


class Stage:
    """A `Turns` with threads that take turns one by one, as the test says."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.served: list[str] = []
        self._threads: list[threading.Thread] = []
        self._coming: dict[str, bool] = {}  # whether a job will ask again

    def ask(self, owner: str, job: str, n_turns: int = 1, cancel: threading.Event | None = None) -> None:
        """Start a thread that takes so many turns, and come back when it waits for the first one."""
        n_waiting = self.turns.n_waiting
        self._coming[job] = True
        thread = threading.Thread(target=self._work, args=(owner, job, n_turns, cancel))
        self._threads.append(thread)
        thread.start()
        _wait_until(lambda: self.turns.n_waiting == n_waiting + 1)

    @contextmanager
    def held(self, owner: str = "host", job: str = "hold") -> Iterator[None]:
        """Hold a turn, then let everybody finish."""
        with self.turns.turn(owner, job):
            yield
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()

    def _work(self, owner: str, job: str, n_turns: int, cancel: threading.Event | None) -> None:
        try:
            for number in range(n_turns):
                with self.turns.turn(owner, job, cancel):
                    self.served.append(job)
                    # Whoever is not done comes back before this turn ends.
                    n_others = sum(self._coming.values()) - 1
                    self._coming[job] = number + 1 < n_turns
                    _wait_until(lambda n_others=n_others: self.turns.n_waiting == n_others)
        except Canceled:
            self.served.append(f"{job} canceled")
            self._coming[job] = False


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_owners_take_turns_and_then_their_jobs(stage: Stage) -> None:
    with stage.held():
        stage.ask("ann", "a1", 4)
        stage.ask("ann", "a2", 4)
        stage.ask("bob", "b1", 4)
    # While all three ask, bob has every second turn, and a1 and a2 share the others.
    assert stage.served[:8] == ["a1", "b1", "a2", "b1", "a1", "b1", "a2", "b1"]
    assert Counter(stage.served) == {"a1": 4, "a2": 4, "b1": 4}


def test_who_was_served_longest_ago_comes_first_whoever_asked_first(stage: Stage) -> None:
    for job in ("a", "b", "c"):
        with stage.turns.turn(job, job):
            pass
    with stage.held():
        for job in ("c", "a", "b"):
            stage.ask(job, job)
    assert stage.served == ["a", "b", "c"]


def test_new_jobs_do_not_pass_one_that_waits(stage: Stage) -> None:
    with stage.turns.turn("ann", "long"):
        pass
    with stage.held():
        stage.ask("ann", "long")
        for number in range(5):
            stage.ask("ann", f"new{number}")
    assert stage.served == ["long", "new0", "new1", "new2", "new3", "new4"]


def test_a_free_turn_is_taken_at_once() -> None:
    turns = Turns()
    cancel = threading.Event()
    began_s = time.monotonic()
    for _ in range(100):
        with turns.turn("ann", "a", cancel):
            pass
    assert time.monotonic() - began_s < 4.0  # a wait for each would take longer


def test_a_cancel_ends_the_wait_within_a_second_and_leaves_the_others_alone(stage: Stage) -> None:
    cancel = threading.Event()
    with stage.held():
        stage.ask("ann", "first", cancel=cancel)
        stage.ask("bob", "second")
        cancel.set()
        began_s = time.monotonic()
        _wait_until(lambda: stage.served == ["first canceled"])
        assert time.monotonic() - began_s < 1.0
        assert stage.turns.n_waiting == 1
    assert stage.served == ["first canceled", "second"]


def test_nobody_gets_a_turn_that_was_canceled_before() -> None:
    turns, cancel = Turns(), threading.Event()
    cancel.set()
    with pytest.raises(Canceled), turns.turn("ann", "a", cancel):
        pytest.fail("entered")
    with turns.turn("bob", "b"):
        assert turns.n_waiting == 0


def test_an_exception_ends_the_turn(stage: Stage) -> None:
    with pytest.raises(KeyError), stage.turns.turn("ann", "a"):
        raise KeyError
    with stage.held():
        stage.ask("bob", "b")
    assert stage.served == ["b"]


def test_never_two_at_a_time_and_everybody_finishes() -> None:
    turns = Turns()
    inside = 0
    done: Counter[str] = Counter()

    def work(owner: str, job: str) -> None:
        nonlocal inside
        for _ in range(100):
            with turns.turn(owner, job):
                inside += 1
                assert inside == 1
                done[job] += 1
                inside -= 1

    threads = [
        threading.Thread(target=work, args=(f"owner{number % 3}", f"job{number}")) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert done == {f"job{number}": 100 for number in range(8)}
    assert turns.n_waiting == 0


def test_those_who_left_are_forgotten_the_oldest_first(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_MOST_REMEMBERED", 2)
    for job in ("a", "b", "c"):
        with stage.turns.turn(job, job):
            pass
    with stage.held("c", "c"):
        for job in ("a", "b"):
            stage.ask(job, job)
    # `a` was forgotten and counts from when it asked; `b` is known to have waited for longer.
    assert stage.served == ["b", "a"]
    assert {len(known) for known in (stage.turns._served._owners, stage.turns._served._jobs)} == {2}
