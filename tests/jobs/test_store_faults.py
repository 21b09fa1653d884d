"""A store that cannot be used says so, as `StoreUnavailable` and nothing else, and has written nothing."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.errors import StoreUnavailable
from app.jobs import database, schema
from app.jobs.store import Bounds, Claiming, Outcome, open_store

WIDE = Bounds(max_queued=100, max_queued_per_key=100)
CLAIMING = Claiming("worker", 30, long_allowed=True)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "jobs.sqlite"


@contextmanager
def opened(url, **options) -> Iterator:
    with closing(open_store(url, busy_timeout_s=0.1, **options)) as store:
        yield store


def test_migrations_make_the_tables_that_the_program_knows(store):
    with store._database.read() as transaction:
        context = MigrationContext.configure(transaction.connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []


def test_the_newest_revision_is_that_of_the_program():
    config = Config()
    config.set_main_option("script_location", str(database._MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.REVISION]


def test_a_store_is_opened_again_with_what_it_had(url, store, make_job):
    job = store.add(make_job(), bounds=WIDE)
    with opened(url) as again:
        assert again.get(job.id, owner=None) == job


def test_tables_of_a_later_version_are_left_alone(url, store):
    with store._database.write() as transaction:
        transaction.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreUnavailable, match="9999"):
        open_store(url)


def test_a_failed_migration_leaves_nothing_behind(url, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.create_index", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            open_store(url)
    with opened(url) as store:
        assert sum(store.counts().values()) == 0


def test_a_locked_file_is_waited_for_and_then_given_up(path, make_job):
    with opened(f"sqlite:///{path}") as store, closing(sqlite3.connect(path)) as other:
        job = store.add(make_job(), bounds=WIDE)
        _, lease = store.claim(CLAIMING)
        other.execute("BEGIN IMMEDIATE")
        for act in (
            lambda: store.add(make_job(), bounds=WIDE),
            lambda: store.finish(lease, Outcome("succeeded"), keep_s=1, webhook_body=None),
            store.ping,
        ):
            begun_s = time.monotonic()
            with pytest.raises(StoreUnavailable, match="locked") as raised:
                act()
            assert 0.05 < time.monotonic() - begun_s < 2
            assert raised.value.retry_after_s > 0
        assert store.get(job.id, owner=None).status == "running"  # reading goes on
        other.rollback()
        assert store.finish(lease, Outcome("succeeded"), keep_s=1, webhook_body=None)


def test_a_thread_that_writes_for_too_long_holds_up_others_no_longer_than_that(path, make_job):
    with opened(f"sqlite:///{path}") as store:
        with store._database.write(), pytest.raises(StoreUnavailable, match="locked"):
            store.add(make_job(), bounds=WIDE)
        store.add(make_job(), bounds=WIDE)


def test_a_store_is_not_opened_while_another_process_makes_its_tables(url, store):
    with store._database.write() as transaction:
        transaction.connection.execute(sa.delete(schema.revisions))
    with store._database.write() as transaction:
        transaction.take_turns("migrate")
        with pytest.raises(StoreUnavailable, match="lock"):
            open_store(url, busy_timeout_s=0.1)
        transaction.connection.execute(sa.insert(schema.revisions).values(version_num=schema.REVISION))
    with opened(url) as again:
        again.ping()


def test_a_writer_does_not_wait_for_a_reader(path, make_job):
    with opened(f"sqlite:///{path}") as store, closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
        store.add(make_job(), bounds=WIDE)


def test_a_read_only_file_cannot_be_used(path):
    with opened(f"sqlite:///{path}"):
        pass
    with pytest.raises(StoreUnavailable, match="readonly"):
        open_store(f"sqlite:///file:{path}?mode=ro&uri=true", busy_timeout_s=0.1)


def test_a_store_that_became_read_only_says_so_and_reads_on(path, make_job):
    with opened(f"sqlite:///{path}") as store:
        job = store.add(make_job(), bounds=WIDE)
        sa.event.listen(store._database._engine, "begin", _make_read_only)
        for act in (store.ping, lambda: store.add(make_job(), bounds=WIDE)):
            with pytest.raises(StoreUnavailable, match="readonly"):
                act()
        assert store.get(job.id, owner=None) == job


def _add_all(store, jobs):
    for job in jobs:
        store.add(job, bounds=WIDE)


def _make_read_only(connection):
    connection.exec_driver_sql("PRAGMA query_only = ON")


def test_a_full_disk_is_unavailable_and_loses_nothing(path, make_job):
    with opened(f"sqlite:///{path}") as store:
        job = store.add(make_job(), bounds=WIDE)
        with store._database.write() as transaction:
            n_pages = transaction.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        limit = f"PRAGMA max_page_count = {n_pages}"
        sa.event.listen(store._database._engine, "begin", lambda c: c.exec_driver_sql(limit))
        jobs = [make_job() for _ in range(99)]
        with pytest.raises(StoreUnavailable, match="full"):
            _add_all(store, jobs)
        # Those before the one that found no room are there; it and the later ones are not, not even in part.
        found = [*reversed(store.list(owner=None, limit=100))]
        assert found == [job, *jobs[: len(found) - 1]]
        assert len(found) < 100
        assert all(len(store.events_after(job.id, 0)) == (job in found) for job in jobs)


def test_a_file_that_is_no_database_is_unavailable(path):
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        open_store(f"sqlite:///{path}")


def test_a_missing_directory_is_unavailable(tmp_path):
    with pytest.raises(StoreUnavailable, match="unable to open"):
        open_store(f"sqlite:///{tmp_path}/none/jobs.sqlite")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_store_in_memory_is_refused(url):
    with pytest.raises(StoreUnavailable, match="memory"):
        open_store(url)


@pytest.mark.parametrize("url", ["", "jobs.sqlite", "mysql://ann:secret@host/jobs", "no such://ann:secret@"])
def test_a_url_that_is_not_usable_is_refused_without_being_told(url):
    with pytest.raises(StoreUnavailable) as raised:
        open_store(url)
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_server_that_does_not_answer_is_unavailable(tmp_path):
    with pytest.raises(StoreUnavailable, match="job store cannot be used"):
        open_store(f"postgresql://ann:secret@/jobs?host={tmp_path}", busy_timeout_s=0.1)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_server_that_closed_its_connections_is_connected_to_again(url, make_job):
    end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    with opened(url) as store, opened(url) as other:
        job = store.add(make_job(), bounds=WIDE)
        with other._database.write() as transaction:
            transaction.connection.exec_driver_sql(end_all + " AND usename = current_user")
        assert store.get(job.id, owner=None) == job


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_connection_that_breaks_in_the_middle_is_unavailable(url):
    with opened(url) as store:
        with pytest.raises(StoreUnavailable), store._database.write() as transaction:
            transaction.connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
        store.ping()


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_row_that_somebody_else_holds_is_waited_for_and_then_given_up(url, make_job):
    with opened(url) as store, opened(url) as other:
        job = store.add(make_job(), bounds=WIDE)
        with other._database.write() as transaction:
            transaction.connection.execute(sa.update(schema.jobs).values(owner="ann"))
            assert store.claim(CLAIMING) is None  # a held job is passed over
            with pytest.raises(StoreUnavailable, match="lock timeout"):
                store.delete(job.id, owner=None)
        assert store.claim(CLAIMING)[0].id == job.id
