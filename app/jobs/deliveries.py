"""The queue of messages to clients' servers, apart from the jobs that they are about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from ulid import ULID

from app.jobs.database import Transaction
from app.jobs.schema import deliveries


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that is due.

    Attributes:
        id: `msg_` and a ULID; the same in every attempt, so that the receiver can tell.
        attempt: which one this is, from 1.
    """

    id: str
    job_id: str
    url: str
    body: str
    attempt: int


def add_delivery(transaction: Transaction, job_id: str, *, url: str, body: str) -> None:
    row = {"id": f"msg_{ULID()}", "job_id": job_id, "url": url, "body": body}
    transaction.connection.execute(
        sa.insert(deliveries).values(**row, attempt=0, next_at=transaction.now, outcome=None)
    )


def take_due(transaction: Transaction, *, limit: int, hold_s: float) -> list[Delivery]:
    """Messages that are due, the one that has waited longest first. Nobody else gets them for `hold_s`."""
    due = (
        sa.select(deliveries.c.id)
        .where(deliveries.c.next_at <= transaction.now)
        .order_by(deliveries.c.next_at, deliveries.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = transaction.connection.scalars(due).all()
    take = (
        sa.update(deliveries)
        .where(deliveries.c.id.in_(ids))
        .values(attempt=deliveries.c.attempt + 1, next_at=transaction.now + timedelta(seconds=hold_s))
        .returning(
            deliveries.c.id, deliveries.c.job_id, deliveries.c.url, deliveries.c.body, deliveries.c.attempt
        )
    )
    taken = [Delivery(*row) for row in transaction.connection.execute(take)]
    return sorted(taken, key=lambda delivery: ids.index(delivery.id))


def note_outcome(
    transaction: Transaction, delivery_id: str, outcome: str, *, next_at: datetime | None
) -> None:
    """Write down how an attempt ended, and when the next one is due; None if there is none."""
    transaction.connection.execute(
        sa.update(deliveries).where(deliveries.c.id == delivery_id).values(next_at=next_at, outcome=outcome)
    )
