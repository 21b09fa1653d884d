"""Which jobs are let in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from app.errors import IdempotencyMismatch, Overloaded, RateLimited
from app.jobs.database import Transaction
from app.jobs.record import Job
from app.jobs.rows import fetch_job, insert_job
from app.jobs.schema import idempotency_keys, jobs
from app.jobs.transitions import tell_state

_RETRY_AFTER_S = 10.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Attributes: max_queued: jobs that wait. max_queued_per_key: jobs of one owner that wait or run."""

    max_queued: int
    max_queued_per_key: int


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's name for its request, so that sending it twice makes one job.

    Attributes:
        fingerprint: of the request; the same key with another one is a mistake of the client.
        keep_s: how long the key is remembered.
    """

    owner: str
    key: str
    fingerprint: str
    keep_s: float


def add_job(transaction: Transaction, job: Job, *, bounds: Bounds, key: IdempotencyKey | None) -> Job:
    """Let the job in, or find the one that the key stands for. Raises as `JobStore.add`."""
    transaction.take_turns("add")
    if key is not None:
        known = find_key(transaction, key.owner, key.key)
        if known is not None:
            fingerprint, job_id = known
            if fingerprint != key.fingerprint:
                raise IdempotencyMismatch("the Idempotency-Key came before with a different request")
            return fetch_job(transaction, job_id, owner=None)
    check_bounds(transaction, job.owner, bounds)
    insert_job(transaction, job)
    tell_state(transaction, job)
    if key is not None:
        _remember(transaction, key, job.id)
    return job


def find_key(transaction: Transaction, owner: str, key: str) -> tuple[str, str] | None:
    """Fingerprint and job of a key that is still remembered."""
    query = sa.select(idempotency_keys.c.fingerprint, idempotency_keys.c.job_id).where(
        idempotency_keys.c.owner == owner,
        idempotency_keys.c.key == key,
        idempotency_keys.c.expires_at > transaction.now,
    )
    row = transaction.connection.execute(query).one_or_none()
    return None if row is None else (row.fingerprint, row.job_id)


def check_bounds(transaction: Transaction, owner: str, bounds: Bounds) -> None:
    """Raise RateLimited or Overloaded if one more job of the owner is one too many."""
    count = sa.select(sa.func.count()).select_from(jobs)
    own = count.where(jobs.c.owner == owner, jobs.c.status.in_(["queued", "running"]))
    if transaction.connection.execute(own).scalar_one() >= bounds.max_queued_per_key:
        raise RateLimited(
            "too many jobs of this key wait or run",
            limit=bounds.max_queued_per_key,
            setting="EARSIGHT_JOBS__MAX_QUEUED_PER_KEY",
            retry_after_s=_RETRY_AFTER_S,
        )
    queued = count.where(jobs.c.status == "queued")
    if transaction.connection.execute(queued).scalar_one() >= bounds.max_queued:
        raise Overloaded(
            "too many jobs wait",
            limit=bounds.max_queued,
            setting="EARSIGHT_JOBS__MAX_QUEUED",
            retry_after_s=_RETRY_AFTER_S,
        )


def _remember(transaction: Transaction, key: IdempotencyKey, job_id: str) -> None:
    """Write the key down, in place of one that is too old."""
    same = (idempotency_keys.c.owner == key.owner, idempotency_keys.c.key == key.key)
    transaction.connection.execute(sa.delete(idempotency_keys).where(*same))
    transaction.connection.execute(
        sa.insert(idempotency_keys).values(
            owner=key.owner,
            key=key.key,
            fingerprint=key.fingerprint,
            job_id=job_id,
            expires_at=transaction.now + timedelta(seconds=key.keep_s),
        )
    )
