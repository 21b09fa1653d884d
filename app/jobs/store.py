"""The job store: what is known of all jobs, on disk, shared by threads and processes.

Its methods block, so call them in worker threads. Each is one transaction, and each raises StoreUnavailable
when the database cannot be used: locked for too long, read-only, full, or gone. Nothing was written then,
except that the fate of a commit is unknown when the connection breaks in the middle of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

import sqlalchemy as sa

from app.jobs import admission, claims, deliveries, recovery, rows
from app.jobs.admission import Bounds, IdempotencyKey
from app.jobs.claims import Claiming
from app.jobs.database import Database
from app.jobs.deliveries import Delivery
from app.jobs.record import Event, Job, Lease, Progress, Status
from app.jobs.schema import jobs
from app.jobs.transitions import Aftermath, Outcome, end_job

__all__ = [
    "Bounds",
    "Claiming",
    "Delivery",
    "IdempotencyKey",
    "JobStore",
    "Outcome",
    "open_store",
    "utc_now",
]

_IDS_PER_QUERY = 500
_HOLD_S = 150.0  # longer than the longest wait for an answer to a webhook
WebhookBody = Callable[[Job], str]


def utc_now() -> datetime:
    return datetime.now(UTC)


def open_store(url: str, *, clock: Callable[[], datetime] = utc_now, busy_timeout_s: float = 5.0) -> JobStore:
    """The store in an SQLite file or a PostgreSQL database, whose tables are made or brought up to date.

    Args:
        url: SQLAlchemy URL, such as `sqlite:////var/lib/earsight/jobs.sqlite` or `postgresql://host/name`.
        clock: gives the time, in UTC.
        busy_timeout_s: longest wait for others who write.

    Raises:
        StoreUnavailable: if the URL is not usable, the database does not answer or is read-only, or its
            tables are of a later version.
    """
    return JobStore(Database(url, clock=clock, busy_timeout_s=busy_timeout_s))


class JobStore:
    """Made by `open_store`. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, job: Job, *, bounds: Bounds, key: IdempotencyKey | None = None) -> Job:
        """Let a job in; returns it, or the earlier one that its key stands for.

        Raises:
            RateLimited: if too many jobs of its owner wait or run.
            Overloaded: if too many jobs wait.
            IdempotencyMismatch: if the key is known with another fingerprint.
        """
        with self._database.write() as transaction:
            return admission.add_job(transaction, job, bounds=bounds, key=key)

    def check_room(self, owner: str, *, bounds: Bounds) -> None:
        """Raise what `add` would raise now for one more job of the owner."""
        with self._database.read() as transaction:
            admission.check_bounds(transaction, owner, bounds)

    def remembered(self, owner: str, key: str) -> tuple[str, str] | None:
        """Fingerprint and job id of an idempotency key; None if it is unknown or too old."""
        with self._database.read() as transaction:
            return admission.find_key(transaction, owner, key)

    def get(self, job_id: str, *, owner: str | None) -> Job:
        """A job. Raises NotFound if there is none, or it is another owner's; owner None sees all."""
        with self._database.read() as transaction:
            return rows.fetch_job(transaction, job_id, owner=owner)

    def claim(self, claiming: Claiming) -> tuple[Job, Lease] | None:
        """Begin a job; None if none waits that one may have.

        Owners take turns: next is the one whose last turn is longest ago, with the oldest of its jobs.
        """
        with self._database.write() as transaction:
            return claims.claim_job(transaction, claiming)

    def renew(self, worker: str, leases: Collection[Lease], lease_s: float) -> dict[str, bool]:
        """Let leases run for `lease_s` from now.

        Returns:
            The ids of the jobs that are still the worker's, and whether their end was asked for.
        """
        if not leases:
            return {}
        with self._database.write() as transaction:
            return claims.renew_leases(transaction, worker, leases, lease_s)

    def note(
        self,
        lease: Lease,
        progress: Progress,
        *,
        facts: dict[str, Any] | None = None,
        model: dict[str, str] | None = None,
    ) -> bool:
        """Write down how far a job is. False, here and below: the lease was lost, and nothing is written."""
        with self._database.write() as transaction:
            return claims.note_progress(transaction, lease, progress, facts=facts, model=model)

    def append(self, lease: Lease, kind: Literal["partial"], data: dict[str, Any]) -> bool:
        """Tell of something else that happened to a job."""
        with self._database.write() as transaction:
            if rows.fetch_held(transaction, lease) is None:
                return False
            rows.add_event(transaction, lease.job_id, kind, data)
            return True

    def put_back(self, lease: Lease, *, long: bool, facts: dict[str, Any]) -> bool:
        """Back into the queue, at its old place, with what was found out. The attempt does not count."""
        with self._database.write() as transaction:
            return claims.release_job(transaction, lease, long=long, facts=facts)

    def release(self, lease: Lease) -> bool:
        """Back into the queue, at its old place, as at a shutdown. The attempt does not count."""
        with self._database.write() as transaction:
            return claims.release_job(transaction, lease, long=None, facts=None)

    def finish(
        self, lease: Lease, outcome: Outcome, *, keep_s: float, webhook_body: WebhookBody | None
    ) -> bool:
        """End a job that was worked on; input and results are due to go in `keep_s`."""
        with self._database.write() as transaction:
            job = rows.fetch_held(transaction, lease)
            if job is None:
                return False
            end_job(transaction, job, outcome, Aftermath(keep_s, webhook_body))
            return True

    def request_cancel(
        self, job_id: str, *, owner: str | None, keep_s: float, webhook_body: WebhookBody | None
    ) -> Job:
        """Ask for the end of a job; one that waits ends here, one that runs is marked. Raises NotFound."""
        with self._database.write() as transaction:
            job = rows.fetch_job(transaction, job_id, owner=owner, lock=True)
            if job.ended or (job.status == "running" and job.cancel_requested):
                return job
            job = replace(job, cancel_requested=True)
            if job.status == "queued":
                return end_job(transaction, job, Outcome("canceled"), Aftermath(keep_s, webhook_body))
            rows.save_job(transaction, job)
            return job

    def delete(self, job_id: str, *, owner: str | None) -> Job:
        """Remove all that is known of a job; returns what was. Raises NotFound.

        To end the work and to remove the files is up to the caller.
        """
        with self._database.write() as transaction:
            job = rows.fetch_job(transaction, job_id, owner=owner, lock=True)
            transaction.connection.execute(sa.delete(jobs).where(jobs.c.id == job_id))
            return job

    def recover(
        self,
        *,
        lease_s: float,
        max_attempts: int,
        here: Collection[str],
        keep_s: float,
        webhook_body: WebhookBody | None,
    ) -> list[Job]:
        """Take the jobs back whose worker was lost; returns them as they are now.

        They wait again, or have failed with `worker_lost` after `max_attempts`, or are canceled if that was
        asked for.

        Args:
            here: ids of the jobs that the caller works on itself. They are not lost, whatever the clock says.
        """
        aftermath = Aftermath(keep_s, webhook_body)
        with self._database.write() as transaction:
            return recovery.recover_jobs(
                transaction, lease_s=lease_s, max_attempts=max_attempts, here=here, aftermath=aftermath
            )

    def events_after(self, job_id: str, number: int, *, limit: int = 200) -> list[Event]:
        """What happened to a job after the event of that number, oldest first; 0 is from the beginning."""
        with self._database.read() as transaction:
            return rows.fetch_events(transaction, job_id, number, limit=limit)

    def expire(self, *, forget_s: float) -> list[Job]:
        """Mark as expired what was kept for long enough, and forget what has been expired for `forget_s`.

        Returns the jobs newly expired, whose files must go.
        """
        with self._database.write() as transaction:
            return recovery.expire_jobs(transaction, forget_s=forget_s)

    def known(self, ids: Collection[str]) -> set[str]:
        """Those of the jobs that there are and that have not expired."""
        every = list(ids)
        found: set[str] = set()
        for start in range(0, len(every), _IDS_PER_QUERY):
            some = every[start : start + _IDS_PER_QUERY]
            query = sa.select(jobs.c.id).where(jobs.c.id.in_(some), jobs.c.status != "expired")
            with self._database.read() as transaction:
                found.update(transaction.connection.scalars(query))
        return found

    def counts(self) -> dict[Status, int]:
        """How many jobs there are in each state."""
        query = sa.select(jobs.c.status, sa.func.count().label("n_jobs")).group_by(jobs.c.status)
        with self._database.read() as transaction:
            found = {row.status: row.n_jobs for row in transaction.connection.execute(query)}
        return {status: found.get(status, 0) for status in get_args(Status)}

    def due_deliveries(self, limit: int, *, hold_s: float = _HOLD_S) -> list[Delivery]:
        """Take messages that are due. Nobody else gets them for `hold_s`; by then the caller has said how
        it went, or has died."""
        with self._database.write() as transaction:
            return deliveries.take_due(transaction, limit=limit, hold_s=hold_s)

    def delivered(self, delivery_id: str) -> None:
        with self._database.write() as transaction:
            deliveries.note_outcome(transaction, delivery_id, "delivered", next_at=None)

    def delivery_failed(self, delivery_id: str, *, retry_in_s: float | None, reason: str) -> None:
        """Try again in `retry_in_s`, or never if that is None."""
        with self._database.write() as transaction:
            next_at = None if retry_in_s is None else transaction.now + timedelta(seconds=retry_in_s)
            deliveries.note_outcome(transaction, delivery_id, reason, next_at=next_at)

    def ping(self) -> None:
        """Raise StoreUnavailable if nothing could be written now."""
        self._database.ping()

    def close(self) -> None:
        self._database.close()

    def list(
        self, *, owner: str | None, status: Status | None = None, before: str | None = None, limit: int
    ) -> list[Job]:
        """Jobs, the newest first; with `before`, those that are older than the job of that id."""
        query = rows.select_jobs().order_by(jobs.c.id.desc()).limit(limit)
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        if status is not None:
            query = query.where(jobs.c.status == status)
        if before is not None:
            query = query.where(jobs.c.id < before)
        with self._database.read() as transaction:
            return rows.fetch_jobs(transaction, query)
