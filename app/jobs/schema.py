"""Tables of the job store. `app/jobs/migrations` makes them; both change together."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Dialect


class UtcTime(sa.TypeDecorator[datetime]):
    """A time that goes in and comes out aware and in UTC, also where the database knows no time zones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_JSON = sa.JSON(none_as_null=True)

REVISION = "0001"  # the newest one of `app/jobs/migrations`

metadata = sa.MetaData()

revisions = sa.table("alembic_version", sa.column("version_num", sa.Text))  # Alembic makes and keeps it

jobs = sa.Table(
    "jobs",
    metadata,
    # What `Job` has, by the same names.
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("request", _JSON, nullable=False),
    sa.Column("input", _JSON, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("progress", _JSON, nullable=False),
    sa.Column("started_at", UtcTime),
    sa.Column("finished_at", UtcTime),
    sa.Column("expires_at", UtcTime),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    sa.Column("long", sa.Boolean, nullable=False),
    sa.Column("model", _JSON),
    sa.Column("error", _JSON),
    sa.Column("artifacts", _JSON, nullable=False),
    sa.Column("request_id", sa.Text),
    sa.Column("traceparent", sa.Text),
    # The lease of a running job; empty in every other state.
    sa.Column("worker", sa.Text),
    sa.Column("lease_until", UtcTime),
    # Number of the latest event.
    sa.Column("last_event", sa.Integer, nullable=False, default=0),
    sa.Index("ix_jobs_queue", "status", "owner", "created_at"),
    sa.Index("ix_jobs_owner", "owner", "id"),
    sa.Index("ix_jobs_expires_at", "expires_at"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("job_id", sa.Text, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("data", _JSON, nullable=False),
)

owners = sa.Table(
    "owners",
    metadata,
    sa.Column("owner", sa.Text, primary_key=True),
    # Grows with every job that is begun. A count, for a clock may be set back.
    sa.Column("last_turn", sa.Integer, nullable=False),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
    sa.Index("ix_idempotency_keys_job_id", "job_id"),
    sa.Index("ix_idempotency_keys_expires_at", "expires_at"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("job_id", sa.Text, sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    # Empty once there is nothing more to do.
    sa.Column("next_at", UtcTime),
    # How the latest attempt ended, for people.
    sa.Column("outcome", sa.Text),
    sa.Index("ix_deliveries_job_id", "job_id"),
    sa.Index("ix_deliveries_next_at", "next_at"),
)
