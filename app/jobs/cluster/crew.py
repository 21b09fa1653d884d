"""Peers in the cluster that look at the parts of a clip for the one that works on its job."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.errors import Canceled, EarsightError, InternalError, WorkerLost
from app.pipeline.parts import PartAnswer, PartOrder

if TYPE_CHECKING:
    from app.jobs.cluster.actor import Run

logger = logging.getLogger(__name__)

_POLL_S = 0.1
_MOST_LOSSES = 3  # of workers, by one part, before it is suspected


@contextmanager
def recruited(
    peers: list[Any], run: Run, cancel: threading.Event, *, part_s: float
) -> Iterator[PeerCrew | None]:
    """The peers as a `Crew` for one clip, whose work ends with the block; None if there is only one.

    Args:
        cancel: set it to end waiting.
    """
    if len(peers) < 2:
        yield None
        return
    crew = PeerCrew(peers, run, cancel, part_s=part_s)
    try:
        yield crew
    finally:
        crew.dismiss()


class PeerCrew:
    """A `Crew` of Ray actors. A part whose actor is lost goes to another one."""

    def __init__(self, peers: list[Any], run: Run, cancel: threading.Event, *, part_s: float) -> None:
        self.part_s = part_s
        self.ahead = 2 * len(peers)
        self._run = replace(run, id=f"{run.id}/looks")  # one of the peers works on the job itself
        self._cancel = cancel
        self._peers = list(peers)
        self._idle = deque(peers)
        self._orders: dict[int, PartOrder] = {}
        self._waiting: deque[int] = deque()
        self._busy: dict[Any, tuple[Any, int]] = {}
        self._answers: dict[int, PartAnswer | None] = {}
        self._losses: Counter[int] = Counter()
        self._n_orders = 0

    def begin(self, order: PartOrder) -> int:
        number = self._n_orders
        self._n_orders += 1
        self._orders[number] = order
        self._waiting.append(number)
        self._hand_out()
        return number

    def result(self, number: int) -> PartAnswer | None:
        """Raises also WorkerLost when no peer is left."""
        if number in self._waiting:  # the one that is waited for goes first
            self._waiting.remove(number)
            self._waiting.appendleft(number)
        while number not in self._answers:
            self._hand_out()
            self._receive()
        del self._orders[number]
        return self._answers.pop(number)

    def dismiss(self) -> None:
        """End all looks, and have what they left removed."""
        if not self._n_orders:
            return
        for peer in self._peers:
            peer.stop.options(concurrency_group="control").remote(self._run.id)
            peer.forget.options(concurrency_group="look").remote(self._run.job.id)

    def _hand_out(self) -> None:
        while self._waiting and self._idle:
            peer, number = self._idle.popleft(), self._waiting.popleft()
            look = peer.look.options(concurrency_group="look")
            self._busy[look.remote(self._run, self._orders[number])] = peer, number

    def _receive(self) -> None:
        import ray
        from ray.exceptions import RayError, RayTaskError

        if self._cancel.is_set():
            raise Canceled("the work on the job was stopped")
        if not self._busy:
            raise WorkerLost("all workers that looked at the parts of the clip were lost")
        done, _ = ray.wait(list(self._busy), timeout=_POLL_S)
        for reference in done:
            peer, number = self._busy.pop(reference)
            try:
                self._answers[number] = ray.get(reference)
            except RayTaskError as error:
                raise _cause(error) from error
            except RayError as error:
                self._lose(number, error)
            else:
                self._idle.append(peer)

    def _lose(self, number: int, error: Exception) -> None:
        logger.warning("part_lost", extra={"part": number, "detail": type(error).__name__})
        self._losses[number] += 1
        if self._losses[number] == _MOST_LOSSES:
            raise WorkerLost(f"{_MOST_LOSSES} workers were lost with the same part of the clip")
        self._waiting.appendleft(number)


def _cause(error: Any) -> EarsightError:
    """What was raised by a method of an actor."""
    if isinstance(error.cause, EarsightError):
        return error.cause
    return InternalError(f"looking at a part failed: {error}")
