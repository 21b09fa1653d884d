"""One job from its lease to its end, in a worker thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from app.errors import Canceled, DeadlineExceeded, EarsightError, InternalError, NoSpace, StoreUnavailable
from app.jobs.artifacts import ArtifactStore
from app.jobs.disk import disk_error
from app.jobs.lines import LiveLines
from app.jobs.record import Job, Lease, Progress
from app.jobs.store import JobStore, Outcome
from app.jobs.work import Worker, WorkerGone
from app.media import spool
from app.settings import Settings
from app.telemetry.logging import log_ids
from app.telemetry.metrics import Metrics
from app.telemetry.tracing import Tracing

logger = logging.getLogger(__name__)

_RETRY_S = 1.0

Why = Literal["canceled", "deadline", "lost", "stopping"]


@dataclass(slots=True)
class RunningJob:
    """A job in the hands of a worker of this process.

    Attributes:
        cancel: set it, by `end`, to have the work end within a second.
        why: what `cancel` was set for.
        since_s: on the monotonic clock.
        lines: of its result so far, once there is a first one.
    """

    job: Job
    lease: Lease
    cancel: threading.Event = field(default_factory=threading.Event)
    why: Why | None = None
    since_s: float = field(default_factory=time.monotonic)
    long: bool = False
    lines: LiveLines | None = None

    def end(self, why: Why) -> None:
        if self.why is None:
            self.why = why
        self.cancel.set()


MayRun = Callable[[RunningJob, float], bool]
"""Whether a job whose clip lasts so many seconds may go on."""


class TooLong(Exception):
    """No error: the clip is long, no worker may be spared for one now, so the job goes back."""

    def __init__(self, facts: dict[str, Any]) -> None:
        super().__init__()
        self.facts = facts


@dataclass(frozen=True, slots=True)
class JobRunner:
    """Works on jobs and writes down how they end.

    Attributes:
        may_run: asked once the length of a clip is known; False puts the job back.
        webhook_body: makes the message about a job that has ended.
    """

    settings: Settings
    store: JobStore
    artifacts: ArtifactStore
    worker: Worker
    metrics: Metrics
    tracing: Tracing
    may_run: MayRun
    webhook_body: Callable[[Job], str]

    def run(self, running: RunningJob) -> None:
        """Work on a job to its end, whatever that is; raises nothing."""
        job = running.job
        attributes = {"earsight.job_id": job.id, "earsight.request_id": job.request_id or ""}
        with (
            log_ids(request_id=job.request_id, job_id=job.id),
            self.tracing.job(job.traceparent, **attributes) as span,
        ):
            self._tell_begin(running)
            outcome = self._outcome(running)
            if outcome is None:
                return
            finished = self._finish(running, outcome)
            code = (outcome.error or {}).get("code")
            span.set_attribute("earsight.status", outcome.status)
            if code is not None:
                span.set_attribute("error.type", code)
            if finished:
                self.metrics.count_job(outcome.status, code)
            ended = {"status": outcome.status, "code": code, "recorded": finished}
            logger.info("job_ended", extra={**_spent(running), **ended})

    def _tell_begin(self, running: RunningJob) -> None:
        job = running.job
        waited_s = 0.0
        if job.started_at is not None:  # a clock that was set back makes it no less than nothing
            waited_s = max(0.0, (job.started_at - job.created_at).total_seconds())
        if running.lease.attempt == 1 and not running.long:  # else it was begun and put back before
            self.metrics.job_queue_wait_seconds.observe(waited_s)
        logger.info("job_begun", extra={"attempt": running.lease.attempt, "ms": round(waited_s * 1000, 1)})

    def _outcome(self, running: RunningJob) -> Outcome | None:
        """How the work ended; None if the job was given back, or is somebody else's by now."""
        fields = {"attempt": running.lease.attempt}
        outcome: Outcome | None
        try:
            outcome = self._work(running)
        except TooLong as found:
            facts = found.facts
            logger.info("job_put_back", extra={**_spent(running), "why": "long"})
            self.insist(running, lambda: self.store.put_back(running.lease, long=True, facts=facts))
            return None
        except WorkerGone:
            running.end("lost")  # until its lease is over, when somebody begins it again
            outcome = None
        except Canceled:
            outcome = self._stopped(running)
        except EarsightError as error:
            outcome = Outcome("failed", error=error_document(error))
        except OSError as error:
            logger.warning("disk_failed", exc_info=error, extra={**fields, "code": NoSpace.code})
            outcome = Outcome("failed", error=error_document(disk_error(error)))
        except Exception:
            logger.exception("job_failed", extra={**fields, "code": InternalError.code})
            outcome = Outcome("failed", error=error_document(InternalError("unexpected")))
        if outcome is None:
            self._let_go(running)
        return outcome

    def _work(self, running: RunningJob) -> Outcome:
        with spool.scratch(self.settings.scratch_dir) as scratch:
            lines = LiveLines(scratch / "lines.ndjson")
            try:
                return self.worker.work(running.job, _Desk(self, running, lines), running.cancel)
            finally:
                lines.end()

    def _stopped(self, running: RunningJob) -> Outcome | None:
        if running.why == "canceled":
            return Outcome("canceled")
        if running.why == "deadline":
            error = DeadlineExceeded(
                "the job ran for longer than a job may",
                limit=self.settings.jobs.deadline_s,
                setting="EARSIGHT_JOBS__DEADLINE_S",
            )
            return Outcome("failed", error=error_document(error))
        return None

    def _finish(self, running: RunningJob, outcome: Outcome) -> bool:
        finished = self.insist(
            running,
            lambda: self.store.finish(
                running.lease, outcome, keep_s=self.settings.jobs.keep_s, webhook_body=self.webhook_body
            ),
        )
        try:
            if finished and outcome.status == "succeeded":
                self.artifacts.drop_input(running.job.id)
            elif finished or not self.store.known([running.job.id]):  # without a result, or deleted
                self.artifacts.remove(running.job.id)
        except EarsightError as error:  # the sweep will do it
            logger.warning("cleanup_failed", extra={"job_id": running.job.id, "code": error.code})
        return finished

    def _let_go(self, running: RunningJob) -> None:
        """Give the job back at a shutdown. If that fails, its lease ends soon."""
        logger.info("job_let_go", extra={**_spent(running), "why": running.why})
        if running.why == "stopping":
            try:
                self.store.release(running.lease)
            except StoreUnavailable as error:
                logger.warning("store_unavailable", extra={"code": error.code, "detail": error.detail})

    def insist(self, running: RunningJob, write: Callable[[], bool]) -> bool:
        """Write to the store, as often as it takes: what was done must not be lost with a busy disk."""
        while True:
            try:
                return write()
            except StoreUnavailable as error:
                logger.warning(
                    "store_unavailable",
                    extra={"job_id": running.job.id, "code": error.code, "detail": error.detail},
                )
            if running.why in ("stopping", "lost"):
                return False
            time.sleep(_RETRY_S)


@dataclass(frozen=True, slots=True)
class _Desk:
    """Writes down what the worker tells, and lets those who ask read the lines."""

    runner: JobRunner
    running: RunningJob
    lines: LiveLines

    def note(self, progress: Progress) -> None:
        """That may fail without harm."""
        try:
            held = self.runner.store.note(self.running.lease, progress)
        except StoreUnavailable:
            return
        if not held:
            self.running.end("lost")

    def begin(self, facts: dict[str, Any], model: dict[str, str], n_frames: int) -> None:
        """Raises TooLong."""
        runner, running = self.runner, self.running
        if not runner.may_run(running, facts["duration_s"]):
            raise TooLong(facts)
        start = Progress("analyze", 0.0, 0, n_frames)
        if not runner.insist(
            running, lambda: runner.store.note(running.lease, start, facts=facts, model=model)
        ):
            running.end("lost")
        running.lines = self.lines

    def append(self, *lines: bytes) -> None:
        self.lines.append(*lines)

    def partial(self, time_s: float) -> None:
        """That may fail without harm, too."""
        data = {"lines": self.lines.n_lines, "time_s": round(time_s, 6)}
        with suppress(StoreUnavailable):
            self.runner.store.append(self.running.lease, "partial", data)

    def end_lines(self) -> None:
        self.lines.end()


def _spent(running: RunningJob) -> dict[str, Any]:
    """Fields of a log line about the end of an attempt."""
    ms = round((time.monotonic() - running.since_s) * 1000, 1)
    return {"attempt": running.lease.attempt, "ms": ms}


def error_document(error: EarsightError) -> dict[str, Any]:
    """What a failed job tells about its error; what went wrong inside the server is not told."""
    inside = error.code == InternalError.code
    if inside:
        logger.error("failure", exc_info=error, extra={"code": error.code})
    told = {
        "code": error.code,
        "title": error.title,
        "detail": "The server failed; its log has the cause." if inside else error.detail,
        "limit": error.limit,
        "setting": error.setting,
    }
    return {name: value for name, value in told.items() if value is not None}
