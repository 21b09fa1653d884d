"""What time does to jobs: leases run out, results expire, and records are forgotten."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

import sqlalchemy as sa

from app.errors import WorkerLost
from app.jobs.database import Transaction
from app.jobs.record import Job
from app.jobs.rows import fetch_jobs, save_job, select_jobs
from app.jobs.schema import idempotency_keys, jobs
from app.jobs.transitions import Aftermath, Outcome, end_job, queue_again


def recover_jobs(
    transaction: Transaction,
    *,
    lease_s: float,
    max_attempts: int,
    here: Collection[str],
    aftermath: Aftermath,
) -> list[Job]:
    """Queue or end the jobs whose leases were lost, and end waiting ones whose end was asked for.

    A lease that goes on for longer than any can was given before the clock was set back.
    """
    lease = timedelta(seconds=lease_s)
    lost = sa.or_(
        jobs.c.lease_until < transaction.now,
        jobs.c.lease_until > transaction.now + 2 * lease,
    )
    # A job that was given back after its end was asked for waits, but nobody begins it.
    unwanted = sa.and_(jobs.c.status == "queued", jobs.c.cancel_requested)
    query = (
        select_jobs(sa.or_(sa.and_(jobs.c.status == "running", lost), unwanted))
        .order_by(jobs.c.id)
        .with_for_update(skip_locked=True)
    )
    found = [job for job in fetch_jobs(transaction, query) if job.id not in here]
    return [_recover(transaction, job, max_attempts, aftermath) for job in found]


def expire_jobs(transaction: Transaction, *, forget_s: float) -> list[Job]:
    """Mark the jobs whose results are due to go, and delete the records that are due to go.

    Returns those newly marked.
    """
    connection, now = transaction.connection, transaction.now
    forgotten = sa.and_(jobs.c.status == "expired", jobs.c.expires_at <= now - timedelta(seconds=forget_s))
    connection.execute(sa.delete(jobs).where(forgotten))
    connection.execute(sa.delete(idempotency_keys).where(idempotency_keys.c.expires_at <= now))
    query = select_jobs(
        jobs.c.status.in_(["succeeded", "failed", "canceled"]), jobs.c.expires_at <= now
    ).with_for_update(skip_locked=True)
    expired = [replace(job, status="expired", artifacts=()) for job in fetch_jobs(transaction, query)]
    for job in expired:
        save_job(transaction, job)
    return expired


def _recover(transaction: Transaction, job: Job, max_attempts: int, aftermath: Aftermath) -> Job:
    if job.cancel_requested:
        return end_job(transaction, job, Outcome("canceled"), aftermath)
    if job.attempt < max_attempts:
        return queue_again(transaction, job)
    error = {
        "code": WorkerLost.code,
        "title": WorkerLost.title,
        "detail": f"the job was begun {job.attempt} times, and its worker was lost each time",
        "limit": max_attempts,
        "setting": "EARSIGHT_JOBS__MAX_ATTEMPTS",
    }
    return end_job(transaction, job, Outcome("failed", error=error), aftermath)
