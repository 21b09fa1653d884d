"""Changes of state that happen for more than one reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from app.jobs.database import Transaction
from app.jobs.deliveries import add_delivery
from app.jobs.record import Artifact, Job, Progress
from app.jobs.rows import add_event, drop_progress, save_job


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended.

    Attributes:
        error: problem document; None unless it failed.
        model: as in `Job`; None leaves what the job has.
    """

    status: Literal["succeeded", "failed", "canceled"]
    artifacts: tuple[Artifact, ...] = ()
    error: dict[str, Any] | None = None
    model: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What follows the end of a job.

    Attributes:
        keep_s: input and artifacts are kept for so long.
        webhook_body: makes the message about the job, if its client asked for one.
    """

    keep_s: float
    webhook_body: Callable[[Job], str] | None


def end_job(transaction: Transaction, job: Job, outcome: Outcome, aftermath: Aftermath) -> Job:
    """The end of a job with all that goes with it: events, and a message to whoever waits for it."""
    progress = job.progress
    if outcome.status == "succeeded":
        progress = replace(progress, stage="done", fraction=1.0)
    ended = replace(
        job,
        status=outcome.status,
        progress=progress,
        finished_at=transaction.now,
        expires_at=transaction.now + timedelta(seconds=aftermath.keep_s),
        model=outcome.model or job.model,
        error=outcome.error,
        artifacts=outcome.artifacts,
    )
    save_job(transaction, ended)
    drop_progress(transaction, ended.id)
    tell_state(transaction, ended)
    add_event(transaction, ended.id, "done", _short(ended))
    if ended.request.webhook is not None and aftermath.webhook_body is not None:
        body = aftermath.webhook_body(ended)
        add_delivery(transaction, ended.id, url=ended.request.webhook, body=body)
    return ended


def queue_again(transaction: Transaction, job: Job) -> Job:
    """Back into the queue, at the place that its age gives it."""
    queued = replace(job, status="queued", progress=Progress())
    save_job(transaction, queued)
    tell_state(transaction, queued)
    return queued


def tell_state(transaction: Transaction, job: Job) -> None:
    add_event(transaction, job.id, "state", _short(job))


def _short(job: Job) -> dict[str, Any]:
    """Data of the events `state` and `done`."""
    short: dict[str, Any] = {"status": job.status, "attempt": job.attempt}
    if job.error is not None:
        short["error"] = job.error
    return short
