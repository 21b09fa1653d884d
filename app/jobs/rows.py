"""Jobs and events as rows of the tables, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from app.errors import NotFound
from app.jobs.database import Transaction
from app.jobs.record import Event, Job, Lease
from app.jobs.schema import events, jobs

_JOB = TypeAdapter(Job)
_EVENT = TypeAdapter(Event)


def select_jobs(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """A query for `fetch_jobs`."""
    return sa.select(*(jobs.c[field.name] for field in fields(Job))).where(*conditions)


def fetch_jobs(transaction: Transaction, query: sa.Select[Any]) -> list[Job]:
    return [_JOB.validate_python(dict(row)) for row in transaction.connection.execute(query).mappings()]


def fetch_job(transaction: Transaction, job_id: str, *, owner: str | None, lock: bool = False) -> Job:
    """The job if the owner may see it; None sees all. Raises NotFound.

    Args:
        lock: let nobody else change the job until the end of the transaction.
    """
    query = select_jobs(jobs.c.id == job_id)
    if owner is not None:
        query = query.where(jobs.c.owner == owner)
    found = fetch_jobs(transaction, query.with_for_update() if lock else query)
    if not found:
        raise NotFound("there is no such job")
    return found[0]


def fetch_held(transaction: Transaction, lease: Lease) -> Job | None:
    """The job that is worked on under the lease, locked; None if the lease was lost."""
    query = select_jobs(
        jobs.c.id == lease.job_id,
        jobs.c.status == "running",
        jobs.c.worker == lease.worker,
        jobs.c.attempt == lease.attempt,
    )
    found = fetch_jobs(transaction, query.with_for_update())
    return found[0] if found else None


def insert_job(transaction: Transaction, job: Job) -> None:
    transaction.connection.execute(sa.insert(jobs).values(_JOB.dump_python(job)))


def save_job(transaction: Transaction, job: Job) -> None:
    """Write all that the record says; a job that does not run has no lease."""
    values: dict[str, Any] = _JOB.dump_python(job)
    if job.status != "running":
        values |= {"worker": None, "lease_until": None}
    transaction.connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(values))


def add_event(transaction: Transaction, job_id: str, kind: str, data: Mapping[str, Any]) -> None:
    """Append an event to a job that there is."""
    count = (
        sa.update(jobs)
        .where(jobs.c.id == job_id)
        .values(last_event=jobs.c.last_event + 1)
        .returning(jobs.c.last_event)
    )
    number = transaction.connection.execute(count).scalar_one()
    row = {"job_id": job_id, "number": number, "kind": kind, "data": dict(data)}
    transaction.connection.execute(sa.insert(events).values(row))


def drop_progress(transaction: Transaction, job_id: str) -> None:
    """Forget how a job that has ended got there: two rows a second are many after some hours."""
    passing = events.c.kind.in_(("progress", "partial"))
    transaction.connection.execute(sa.delete(events).where(events.c.job_id == job_id, passing))


def fetch_events(transaction: Transaction, job_id: str, number: int, *, limit: int) -> list[Event]:
    """Events of the job that come after that number, oldest first."""
    query = (
        sa.select(events)
        .where(events.c.job_id == job_id, events.c.number > number)
        .order_by(events.c.number)
        .limit(limit)
    )
    return [_EVENT.validate_python(dict(row)) for row in transaction.connection.execute(query).mappings()]
