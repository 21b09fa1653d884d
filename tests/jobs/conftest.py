"""A job store on SQLite and, where its programs are installed, on PostgreSQL; time is what a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.jobs.record import Job, JobInput, JobRequest
from app.jobs.schema import metadata
from app.jobs.store import JobStore, open_store


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'jobs.sqlite'}"
        return
    found = request.getfixturevalue("postgresql_url")
    yield found
    engine = sa.create_engine(found.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")
    engine.dispose()


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[JobStore]:
    opened = open_store(url, clock=clock, busy_timeout_s=2.0)
    yield opened
    opened.close()


@pytest.fixture
def make_job(clock: Clock) -> Callable[..., Job]:
    """Makes a job that waits; ids grow from one to the next, and time goes on by a second."""
    count = 0

    def make(owner: str = "ann", *, long: bool = False, webhook: str | None = None) -> Job:
        nonlocal count
        count += 1
        clock.move(1)
        return Job(
            id=f"job_{count:026}",
            owner=owner,
            status="queued",
            request=JobRequest(tasks=("localize",), fps=12.5, target="dog", webhook=webhook),
            input=JobInput(size_bytes=1000, sha256="ab" * 32, has_separate_audio=False),
            created_at=clock.now,
            long=long,
            request_id="req",
            traceparent="00-11-22-01",
        )

    return make
