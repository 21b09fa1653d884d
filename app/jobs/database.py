"""Transactions on SQLite or PostgreSQL, the same way; faults of either come out as `StoreUnavailable`."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import exc

from app.errors import StoreUnavailable
from app.jobs.schema import REVISION, jobs, revisions

_RETRY_AFTER_S = 5.0
_POOL_SIZE = 8
_MIGRATIONS = Path(__file__).with_name("migrations")

_LOCK_FAMILY = 7_302_515  # sets our advisory locks apart from those of others in the same database
_LOCKS = {"migrate": 1, "add": 2, "claim": 3}

# These mean that the program is wrong; every other fault of a driver means that the database cannot work now.
_MISTAKES = (exc.IntegrityError, exc.ProgrammingError, exc.DataError, exc.NotSupportedError)


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction in progress. Attributes: now: when it began; all of it happens at this time."""

    connection: sa.Connection
    now: datetime

    def take_turns(self, work: Literal["migrate", "add", "claim"]) -> None:
        """Let no other transaction do this work until the end of this one."""
        if self.connection.dialect.name == "postgresql":
            self.connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_FAMILY, _LOCKS[work])))


class Database:
    """A database that several threads and processes use at the same time."""

    def __init__(self, url: str, *, clock: Callable[[], datetime], busy_timeout_s: float) -> None:
        """Connect, and bring the tables up to date.

        Args:
            url: SQLAlchemy URL of an SQLite file or of a PostgreSQL database.
            busy_timeout_s: longest wait for others who write.

        Raises:
            StoreUnavailable: if the URL is not usable, the database does not answer or is read-only, or it
                was made by a later version.
        """
        self._clock = clock
        self._busy_timeout_s = busy_timeout_s
        self._engine = _make_engine(url, busy_timeout_s)
        # SQLite has one writer at a time, and polls. Threads of this process had better queue.
        self._writing = threading.Lock() if self._engine.dialect.name == "sqlite" else None
        try:
            if self._writing is not None:
                self._use_wal()
            self._migrate()
            self.ping()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction for one query. Raises StoreUnavailable."""
        with self._transaction(write=False) as transaction:
            yield transaction

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that is committed at the end, or undone on any exception. Raises StoreUnavailable."""
        if self._writing is None:
            with self._transaction(write=True) as transaction:
                yield transaction
            return
        if not self._writing.acquire(timeout=self._busy_timeout_s):
            raise _unavailable("database is locked")
        try:
            with self._transaction(write=True) as transaction:
                yield transaction
        finally:
            self._writing.release()

    def ping(self) -> None:
        """Raise StoreUnavailable if nothing could be written now."""
        with self.write() as transaction:
            # This changes no row, and is refused all the same where writing is.
            transaction.connection.execute(sa.update(jobs).where(sa.false()).values(owner=""))

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Transaction]:
        with _translated_faults(), self._engine.connect() as connection:
            connection.execution_options(write=write)
            with connection.begin():
                yield Transaction(connection, self._clock())

    def _use_wal(self) -> None:
        """Have readers and the writer not wait for each other. That stays so in the file once it is set.

        SQLite does not wait for others here, so this does: they set the same.
        """
        until_s = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                with _translated_faults(), self._engine.connect() as connection:
                    driver: Any = connection.connection.driver_connection
                    driver.execute("PRAGMA journal_mode = WAL")
                    return
            except StoreUnavailable as error:
                if "locked" not in error.detail or time.monotonic() >= until_s:
                    raise
            time.sleep(0.02)

    def _migrate(self) -> None:
        if self._is_current():
            return
        # Only whoever finds other tables needs Alembic, which takes a while to load.
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        with self.write() as transaction:
            transaction.take_turns("migrate")
            config.attributes["connection"] = transaction.connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise _unavailable(f"its tables are not of this version ({error})") from error

    def _is_current(self) -> bool:
        with self.read() as transaction:
            if not sa.inspect(transaction.connection).has_table(revisions.name):
                return False
            return transaction.connection.scalars(sa.select(revisions.c.version_num)).all() == [REVISION]


def _make_engine(url: str, busy_timeout_s: float) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        return _engine(parsed, busy_timeout_s)
    except ModuleNotFoundError as error:
        hint = f"{error.name} is not installed; the extra 'postgres' brings the driver of PostgreSQL"
        raise _unavailable(hint) from error
    except (exc.ArgumentError, ValueError):
        # Not chained: the message may have the password.
        raise _unavailable("its URL is not one of SQLAlchemy for sqlite or postgresql") from None


def _engine(url: sa.URL, busy_timeout_s: float) -> sa.Engine:
    options: dict[str, Any] = {"pool_size": _POOL_SIZE, "pool_timeout": busy_timeout_s}
    match url.get_backend_name():
        case "sqlite":
            if url.database in (None, "", ":memory:"):
                raise _unavailable("SQLite in memory would lose the jobs; name a file")
            engine = sa.create_engine(url, connect_args={"timeout": busy_timeout_s}, **options)
            sa.event.listen(engine, "connect", _set_up_sqlite)
            sa.event.listen(engine, "begin", _begin_sqlite)
        case "postgresql":
            engine = sa.create_engine(
                url,
                isolation_level="READ COMMITTED",
                pool_pre_ping=True,
                connect_args={"connect_timeout": max(2, round(busy_timeout_s))},
                **options,
            )
            statement = f"SET LOCAL lock_timeout = {max(1, round(busy_timeout_s * 1000))}"
            sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(statement))
        case _:
            raise ValueError(url.get_backend_name())
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins no transactions by itself
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    # A writer takes the lock at once: one that reads first and finds the file changed could only give up.
    write = connection.get_execution_options().get("write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def _translated_faults() -> Iterator[None]:
    try:
        yield
    except _MISTAKES:
        raise
    except exc.DBAPIError as error:
        raise _unavailable(str(error.orig).partition("\n")[0]) from error
    except sqlite3.OperationalError as error:  # of a statement that went past SQLAlchemy
        raise _unavailable(str(error)) from error
    except exc.TimeoutError as error:
        raise _unavailable("all its connections are in use") from error


def _unavailable(reason: str) -> StoreUnavailable:
    return StoreUnavailable(f"the job store cannot be used: {reason}", retry_after_s=_RETRY_AFTER_S)
