"""Who may run the graphs now: one at a time, and whoever waits has its turn soon."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.errors import Canceled

_POLL_S = 0.05  # how long a cancel may go unnoticed
_MOST_REMEMBERED = 1024


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """`number` orders requests and turns on one clock."""

    owner: str
    job: str
    number: int
    granted: threading.Event = field(default_factory=threading.Event)


class Turns:
    """Hands out turns at the graphs, of which each run already uses all the cores.

    The next turn goes to the waiting owner that was served longest ago, and there to the job that was served
    longest ago; one that is not known counts as served when it came, so that a stream of new ones keeps
    nobody waiting. Of the others the last `_MOST_REMEMBERED` owners and jobs are known.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clock = itertools.count()
        self._taken = False
        self._waiting: list[_Request] = []
        self._served = _LastServed()

    @property
    def n_waiting(self) -> int:
        """How many wait for a turn."""
        return len(self._waiting)

    @contextmanager
    def turn(self, owner: str, job: str, cancel: threading.Event | None = None) -> Iterator[None]:
        """Wait for a turn and hold it; a thread must not ask for a second one meanwhile.

        Raises Canceled if `cancel` is set before the turn comes.
        """
        request = self._request(owner, job)
        try:
            _await(request, cancel)
            yield
        finally:
            self._leave(request)

    def _request(self, owner: str, job: str) -> _Request:
        with self._lock:
            request = _Request(owner, job, next(self._clock))
            if self._taken:
                self._waiting.append(request)
            else:
                self._grant(request)
            return request

    def _leave(self, request: _Request) -> None:
        """End a turn, or give up waiting for it."""
        with self._lock:
            if not request.granted.is_set():
                self._waiting.remove(request)
                return
            self._served.note(request, next(self._clock))
            self._taken = False
            if self._waiting:
                chosen = min(self._waiting, key=self._served.since)
                self._waiting.remove(chosen)
                self._grant(chosen)

    def _grant(self, request: _Request) -> None:
        self._taken = True
        request.granted.set()


class _LastServed:
    """When owners and their jobs were last served."""

    def __init__(self) -> None:
        self._owners: dict[Hashable, int] = {}
        self._jobs: dict[Hashable, int] = {}

    def note(self, request: _Request, number: int) -> None:
        for served, key in self._entries(request):
            served.pop(key, None)
            served[key] = number
            if len(served) > _MOST_REMEMBERED:
                del served[next(iter(served))]  # served longest ago of all

    def since(self, request: _Request) -> tuple[int, ...]:
        """When the owner was served, and when the job."""
        return tuple(served.get(key, request.number) for served, key in self._entries(request))

    def _entries(self, request: _Request) -> tuple[tuple[dict[Hashable, int], Hashable], ...]:
        return (self._owners, request.owner), (self._jobs, (request.owner, request.job))


def _await(request: _Request, cancel: threading.Event | None) -> None:
    while not (cancel is not None and cancel.is_set()):
        if request.granted.wait(_POLL_S):
            return
    raise Canceled("waiting for a turn was canceled")
