"""The bounded way to the worker threads: so many analyses run, so many wait, the rest is refused."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

from app.errors import Canceled, Overloaded
from app.telemetry.metrics import Metrics

T = TypeVar("T")


class Run(Generic[T]):
    """A piece of work in a worker thread, or on its way there."""

    def __init__(self, future: Future[T], cancel: threading.Event) -> None:
        self._future = future
        self._cancel = cancel
        self._ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._ended.set))

    async def result(self) -> T:
        """Wait for the work and return what it returned. Raises what it raised; Canceled after `stop`.

        Cancelling this wait leaves the work alone.
        """
        await self._ended.wait()
        try:
            return self._future.result()
        except CancelledError:
            raise Canceled("the analysis was stopped") from None

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, in whatever thread, once the work has ended or will never begin."""
        self._future.add_done_callback(lambda _: callback())

    async def stop(self) -> None:
        """Have the work end as soon as it can and wait until it has."""
        self._cancel.set()
        if not self._future.cancel():
            await self._ended.wait()


class AnalysisGate:
    """Hands work to at most `max_running` threads, with at most `max_waiting` in the queue.

    The event loop owns the object; only `_leave` is called from the worker threads.
    """

    def __init__(self, *, max_running: int, max_waiting: int, metrics: Metrics) -> None:
        self._places = max_running + max_waiting
        self._max_waiting = max_waiting
        self._metrics = metrics
        self._executor = ThreadPoolExecutor(max_running, thread_name_prefix="analysis")
        self._lock = threading.Lock()
        self._taken: set[threading.Event] = set()
        self._admitted = 0
        self._draining = False

    @property
    def draining(self) -> bool:
        return self._draining

    @property
    def idle(self) -> bool:
        """Whether no request is under way that began before the drain."""
        return self._admitted == 0

    @contextmanager
    def admitted(self, *, for_later: bool = False) -> Iterator[None]:
        """Mark a request that will bring work, from before its upload is read to the end of its answer.

        Args:
            for_later: the work becomes a job, and needs no place here.

        Raises Overloaded when no place is free or the service is shutting down.
        """
        if self._draining:
            raise Overloaded("the service is shutting down")
        if not for_later:
            with self._lock:
                self._check_place()
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1

    def submit(self, work: Callable[[threading.Event], T]) -> Run[T]:
        """Queue `work`, which is called with the event that tells it to end early.

        Raises Overloaded when the queue is full.
        """
        cancel = threading.Event()
        with self._lock:
            self._check_place()
            self._taken.add(cancel)
            self._metrics.queue_depth.inc()
        context = contextvars.copy_context()
        future = self._executor.submit(context.run, self._run, work, cancel)
        future.add_done_callback(lambda ended: self._leave(cancel, started=not ended.cancelled()))
        return Run(future, cancel)

    def drain(self) -> None:
        """Take no new requests; those that were admitted may finish."""
        self._draining = True

    def cancel_all(self) -> None:
        """Tell everything that runs or waits to end."""
        with self._lock:
            for cancel in self._taken:
                cancel.set()

    def close(self) -> None:
        """End the threads. Blocks until the work that runs has noticed."""
        self.drain()
        self.cancel_all()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _check_place(self) -> None:
        if len(self._taken) >= self._places:
            raise Overloaded(
                "too many analyses are waiting",
                limit=self._max_waiting,
                setting="EARSIGHT_SERVER__MAX_WAITING_ANALYSES",
            )

    def _run(self, work: Callable[[threading.Event], T], cancel: threading.Event) -> T:
        self._metrics.queue_depth.dec()
        if cancel.is_set():
            raise Canceled("the analysis was stopped")
        with self._metrics.running.track_inprogress():
            return work(cancel)

    def _leave(self, cancel: threading.Event, *, started: bool) -> None:
        with self._lock:
            self._taken.discard(cancel)
        if not started:
            self._metrics.queue_depth.dec()
