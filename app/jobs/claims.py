"""Who works on which job: leases, from taking a job to letting go of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from app.jobs.database import Transaction
from app.jobs.record import Job, Lease, Progress
from app.jobs.rows import add_event, fetch_held, fetch_jobs, save_job, select_jobs
from app.jobs.schema import jobs, owners
from app.jobs.transitions import queue_again, tell_state


@dataclass(frozen=True, slots=True)
class Claiming:
    """Who wants a job, and which.

    Attributes:
        worker: name of the process.
        long_allowed: also one that is known to be long.
    """

    worker: str
    lease_s: float
    long_allowed: bool


def claim_job(transaction: Transaction, claiming: Claiming) -> tuple[Job, Lease] | None:
    """Begin the oldest waiting job of the owner whose last turn is longest ago."""
    transaction.take_turns("claim")
    query = (
        select_jobs(jobs.c.status == "queued", sa.not_(jobs.c.cancel_requested))
        .join_from(jobs, owners, jobs.c.owner == owners.c.owner, isouter=True)
        .order_by(sa.func.coalesce(owners.c.last_turn, 0), jobs.c.created_at, jobs.c.id)
        .limit(1)
        .with_for_update(of=jobs, skip_locked=True)
    )
    if not claiming.long_allowed:
        query = query.where(sa.not_(jobs.c.long))
    found = fetch_jobs(transaction, query)
    if not found:
        return None
    job = replace(
        found[0],
        status="running",
        attempt=found[0].attempt + 1,
        started_at=found[0].started_at or transaction.now,
    )
    save_job(transaction, job)
    lease = Lease(job.id, claiming.worker, job.attempt)
    lease_until = transaction.now + timedelta(seconds=claiming.lease_s)
    transaction.connection.execute(
        sa.update(jobs).where(jobs.c.id == job.id).values(worker=lease.worker, lease_until=lease_until)
    )
    _take_turn(transaction, job.owner)
    tell_state(transaction, job)
    return job, lease


def renew_leases(
    transaction: Transaction, worker: str, leases: Collection[Lease], lease_s: float
) -> dict[str, bool]:
    """Ids of the jobs that are still the worker's, and whether their end was asked for."""
    held = {}
    for lease in sorted(leases, key=lambda lease: lease.job_id):  # in one order, lest two lock each other out
        renew = (
            sa.update(jobs)
            .where(
                jobs.c.id == lease.job_id,
                jobs.c.status == "running",
                jobs.c.worker == worker,
                jobs.c.attempt == lease.attempt,
            )
            .values(lease_until=transaction.now + timedelta(seconds=lease_s))
            .returning(jobs.c.cancel_requested)
        )
        cancel_requested = transaction.connection.execute(renew).scalar_one_or_none()
        if cancel_requested is not None:
            held[lease.job_id] = cancel_requested
    return held


def note_progress(
    transaction: Transaction,
    lease: Lease,
    progress: Progress,
    *,
    facts: Mapping[str, Any] | None,
    model: dict[str, str] | None,
) -> bool:
    """Write down how far the job is, and what is known of its clip and its bundle, if that is given."""
    job = fetch_held(transaction, lease)
    if job is None:
        return False
    job = replace(job, progress=progress, model=model or job.model)
    save_job(transaction, job if facts is None else _with_facts(job, facts))
    data = {
        "stage": progress.stage,
        "fraction": progress.fraction,
        "frames_done": progress.frames_done,
        "frames_total": progress.frames_total,
    }
    add_event(transaction, job.id, "progress", data)
    return True


def release_job(
    transaction: Transaction, lease: Lease, *, long: bool | None, facts: Mapping[str, Any] | None
) -> bool:
    """Back into the queue as if it had not been begun. `long` and `facts`: what was found out, or None."""
    job = fetch_held(transaction, lease)
    if job is None:
        return False
    job = replace(job, attempt=job.attempt - 1, long=job.long if long is None else long)
    queue_again(transaction, job if facts is None else _with_facts(job, facts))
    return True


def _with_facts(job: Job, facts: Mapping[str, Any]) -> Job:
    return replace(job, input=replace(job.input, facts=dict(facts)))


def _take_turn(transaction: Transaction, owner: str) -> None:
    latest = sa.select(sa.func.coalesce(sa.func.max(owners.c.last_turn), 0) + 1).scalar_subquery()
    taken = transaction.connection.execute(
        sa.update(owners).where(owners.c.owner == owner).values(last_turn=latest)
    )
    if taken.rowcount == 0:
        transaction.connection.execute(sa.insert(owners).values(owner=owner, last_turn=latest))
