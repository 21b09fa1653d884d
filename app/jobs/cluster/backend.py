"""Jobs on a Ray cluster: claimed and recorded by this process, worked on by actors."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from app.errors import Canceled, EarsightError, InternalError
from app.jobs.cluster.actor import Report, Run
from app.jobs.cluster.pool import Pool
from app.jobs.local import LocalBackend
from app.jobs.record import Job
from app.jobs.running import JobRunner, MayRun
from app.jobs.store import JobStore
from app.jobs.sweeping import Sweeper
from app.jobs.transitions import Outcome
from app.jobs.work import Desk, WorkerGone
from app.settings import JobSettings

logger = logging.getLogger(__name__)

_POLL_S = 0.1
_STOP_S = 10.0  # a worker that was told to stop and has not by then is killed


class RayBackend(LocalBackend):
    """A `JobBackend` that works on as many jobs as it has workers in the cluster."""

    def __init__(
        self,
        *,
        settings: JobSettings,
        store: JobStore,
        sweeper: Sweeper,
        make_runner: Callable[[MayRun], JobRunner],
        pool: Pool,
    ) -> None:
        super().__init__(settings=settings, store=store, sweeper=sweeper, make_runner=make_runner)
        self._pool = pool

    def ailment(self) -> str | None:
        return super().ailment() or self._pool.ailment()

    def stop(self) -> None:
        super().stop()
        self._pool.close()

    def _n_places(self) -> int:
        return self._pool.size

    def _keep(self) -> None:
        super()._keep()
        if not self._draining:
            self._pool.tend()
            self._man()


@dataclass(frozen=True, slots=True)
class RayWorker:
    """A `Worker` that has each job done by an actor and passes on what that one tells."""

    pool: Pool

    def work(self, job: Job, desk: Desk, cancel: threading.Event) -> Outcome:
        run = Run(uuid.uuid4().hex, job)
        with self.pool.lead() as (lead, peers):
            calls = lead.work.options(num_returns="streaming", concurrency_group="work")
            try:
                for told in self._told(lead, run, calls.remote(run, peers), cancel):
                    match told:
                        case Outcome():
                            return told
                        case EarsightError():
                            raise told
                        case (name, arguments):
                            getattr(desk, name)(*arguments)
            finally:
                _stop(lead, run)  # in case the desk has ended the work
        raise WorkerGone

    def _told(
        self, lead: Any, run: Run, stream: Any, cancel: threading.Event
    ) -> Iterator[Report | Outcome | EarsightError]:
        import ray
        from ray.exceptions import RayError, RayTaskError

        stopped_s: float | None = None
        while True:
            if cancel.is_set():
                if stopped_s is None:
                    stopped_s = time.monotonic()
                    _stop(lead, run)
                elif time.monotonic() - stopped_s > _STOP_S:
                    self.pool.discard(lead)
                    raise Canceled("the worker did not stop and was killed")
            try:
                ready, _ = ray.wait([stream], timeout=_POLL_S)
                if ready:
                    yield ray.get(next(stream))
            except StopIteration:
                return
            except RayTaskError as error:
                raise InternalError(f"a worker failed: {error}") from error
            except RayError as error:
                logger.warning("worker_gone", extra={"detail": type(error).__name__})
                raise WorkerGone from error


def _stop(lead: Any, run: Run) -> None:
    lead.stop.options(concurrency_group="control").remote(run.id)
