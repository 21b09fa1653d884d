"""Jobs in threads of this process."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable

from app.errors import EarsightError, NotFound, StoreUnavailable
from app.jobs.backend import Capacity
from app.jobs.lines import LiveLines
from app.jobs.running import JobRunner, MayRun, RunningJob
from app.jobs.store import Claiming, JobStore
from app.jobs.sweeping import Sweeper
from app.settings import JobSettings

logger = logging.getLogger(__name__)

_TICK_S = 0.5
_IDLE_S = 1.0  # after which a worker looks for jobs that nobody told it of


class LocalBackend:
    """A `JobBackend` of `jobs.workers` threads, and one that renews their leases and sweeps.

    Of the workers one is kept for clips no longer than `jobs.long_s`, if there are two or more.
    """

    def __init__(
        self,
        *,
        settings: JobSettings,
        store: JobStore,
        sweeper: Sweeper,
        make_runner: Callable[[MayRun], JobRunner],
    ) -> None:
        self._settings = settings
        self._store = store
        self._sweeper = sweeper
        self._runner = make_runner(self._may_run)
        self._name = uuid.uuid4().hex
        self._wake = threading.Condition()
        self._claiming = threading.Lock()
        self._running: dict[str, RunningJob] = {}
        self._draining = False
        self._stopped = threading.Event()
        self._renewed_s = time.monotonic()
        self._threads: list[threading.Thread] = []
        self._n_manned = 0

    def start(self) -> None:
        self._keep()
        self._man()
        self._threads.append(self._thread(self._watch, "job-watch"))

    def submit(self, job_id: str) -> None:
        logger.debug("job_submitted", extra={"job_id": job_id})
        self._wake_one()

    def cancel(self, job_id: str) -> None:
        with self._wake:
            running = self._running.get(job_id)
        if running is not None:
            running.end("canceled")

    def lines(self, job_id: str) -> LiveLines | None:
        with self._wake:
            running = self._running.get(job_id)
        return None if running is None else running.lines

    def capacity(self) -> Capacity:
        return Capacity(self._n_places(), len(self._running))

    def ailment(self) -> str | None:
        dead = [thread.name for thread in self._threads if not thread.is_alive()]
        if dead and not self._draining:
            return f"these threads have died: {', '.join(dead)}"
        silent_s = time.monotonic() - self._renewed_s
        if silent_s > self._settings.lease_s:
            return f"the leases of the jobs were last renewed {silent_s:.0f} s ago"
        return None

    def drain(self) -> None:
        self._draining = True
        with self._wake:
            self._wake.notify_all()

    @property
    def idle(self) -> bool:
        return not self._running

    def stop(self) -> None:
        self.drain()
        self._stopped.set()
        for running in self._here():
            running.end("stopping")
        for thread in self._threads:
            thread.join()

    def _n_places(self) -> int:
        """How many jobs may run at the same time."""
        return self._settings.workers

    def _man(self) -> None:
        """Have a thread for each place there is, or was."""
        while self._n_manned < self._n_places():
            self._threads.append(self._thread(self._serve, f"job-{self._n_manned}"))
            self._n_manned += 1

    def _wake_one(self) -> None:
        with self._wake:
            self._wake.notify()

    def _thread(self, target: Callable[[], None], name: str) -> threading.Thread:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread

    def _here(self) -> list[RunningJob]:
        with self._wake:
            return list(self._running.values())

    def _serve(self) -> None:
        while not self._draining:
            running = self._claim()
            if running is None:
                with self._wake:
                    if not self._draining:
                        self._wake.wait(_IDLE_S)
                continue
            try:
                self._runner.run(running)
            finally:
                self._forget(running)

    def _claim(self) -> RunningJob | None:
        """Take a job. One worker at a time, so that no two think that the place for a long one is free."""
        with self._claiming:
            if len(self._running) >= self._n_places():
                return None
            try:
                claimed = self._store.claim(
                    Claiming(self._name, self._settings.lease_s, long_allowed=self._has_room_for_long())
                )
            except StoreUnavailable as error:
                logger.warning("store_unavailable", extra={"code": error.code, "detail": error.detail})
                return None
            if claimed is None:
                return None
            job, lease = claimed
            running = RunningJob(job, lease, long=job.long)
            with self._wake:
                self._running[job.id] = running
            if self._stopped.is_set():  # `stop` may have looked before it was there
                running.end("stopping")
            return running

    def _forget(self, running: RunningJob) -> None:
        with self._wake:
            # A job that was put back may be in other hands by now.
            if self._running.get(running.job.id) is running:
                del self._running[running.job.id]

    def _has_room_for_long(self) -> bool:
        n_long = sum(running.long for running in self._here())
        return n_long < max(1, self._n_places() - 1)

    def _may_run(self, running: RunningJob, duration_s: float) -> bool:
        if running.long or duration_s <= self._settings.long_s:
            return True
        with self._claiming:
            running.long = self._has_room_for_long()
        return running.long

    def _watch(self) -> None:
        """Renew leases, notice what other processes ask for, end what runs too long, and sweep."""
        while not self._stopped.wait(_TICK_S):
            try:
                self._keep()
            except EarsightError as error:
                logger.warning("upkeep_failed", extra={"code": error.code, "detail": error.detail})
            except Exception:
                logger.exception("upkeep_failed", extra={"code": "internal"})

    def _keep(self) -> None:
        here = self._here()
        for running in here:
            if time.monotonic() - running.since_s > self._settings.deadline_s:
                running.end("deadline")
        if time.monotonic() - self._renewed_s > self._settings.lease_s / 4:
            self._renew(here)
        else:
            self._heed(here)
        if self._sweeper.sweep(here=[running.job.id for running in here]):
            self._wake_one()

    def _renew(self, here: list[RunningJob]) -> None:
        held = self._store.renew(self._name, [running.lease for running in here], self._settings.lease_s)
        self._renewed_s = time.monotonic()
        for running in here:
            if running.job.id not in held:
                running.end("lost")
            elif held[running.job.id]:
                running.end("canceled")

    def _heed(self, here: list[RunningJob]) -> None:
        """Notice between two renewals what was asked of another process."""
        for running in here:
            try:
                if self._store.get(running.job.id, owner=None).cancel_requested:
                    running.end("canceled")
            except NotFound:
                running.end("lost")
