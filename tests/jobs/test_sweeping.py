"""What is tidied up, and what is left alone."""

import pytest

from app.jobs import sweeping
from app.jobs.artifacts import ArtifactStore
from app.jobs.record import Artifact
from app.jobs.store import Bounds, Claiming, Outcome
from app.jobs.sweeping import Sweeper
from app.settings import JobSettings
from app.telemetry.metrics import Metrics

WIDE = Bounds(max_queued=100, max_queued_per_key=100)
CLAIMING = Claiming("worker", 30, long_allowed=True)
RESULT = Artifact("result.json", "application/json", 1, "cd" * 32)


@pytest.fixture
def now(monkeypatch):
    """The monotonic clock of the sweeper, in a list that a test may change."""
    now = [1000.0]
    monkeypatch.setattr(sweeping.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def artifacts(tmp_path):
    return ArtifactStore(str(tmp_path / "artifacts"))


@pytest.fixture
def make_sweeper(store, artifacts, now):
    def make():
        return Sweeper(
            settings=JobSettings(lease_s=30, keep_s=3600),
            store=store,
            artifacts=artifacts,
            metrics=Metrics(),
            webhook_body=str,
        )

    return make


@pytest.fixture
def keep(artifacts, tmp_path):
    """Give a job its input and a file that was made of it."""

    def keep(job_id):
        for name in ("file", "result"):
            (tmp_path / name).write_bytes(b"1")
        artifacts.keep_input(job_id, tmp_path / "file", None)
        artifacts.put(job_id, RESULT, tmp_path / "result")

    return keep


def test_files_without_a_job_go_when_they_were_without_one_for_a_minute(
    store, artifacts, make_job, make_sweeper, keep, now
):
    orphan, accepted = make_job(), make_job()
    for job in (orphan, accepted):
        keep(job.id)
    sweeper = make_sweeper()
    sweeper.sweep(here=[])
    store.add(accepted, bounds=WIDE)  # it was under way
    now[0] += 59
    sweeper.sweep(here=[])
    assert set(artifacts.job_ids()) == {orphan.id, accepted.id}
    now[0] += 31
    sweeper.sweep(here=[])
    assert set(artifacts.job_ids()) == {accepted.id}


@pytest.mark.parametrize(("status", "kept"), [("succeeded", True), ("failed", False), ("canceled", False)])
def test_a_new_process_removes_what_a_dead_one_left_of_a_job_that_had_ended(
    store, artifacts, make_job, make_sweeper, keep, status, kept
):
    ended, waiting = make_job(), make_job()
    for job in (ended, waiting):
        keep(job.id)
        store.add(job, bounds=WIDE)
    _, lease = store.claim(CLAIMING)
    store.finish(lease, Outcome(status), keep_s=60, webhook_body=None)
    make_sweeper().sweep(here=[])
    assert set(artifacts.input_ids()) == {waiting.id}
    assert (ended.id in set(artifacts.job_ids())) is kept


def test_a_job_that_is_lost_for_good_loses_its_files(store, artifacts, make_job, make_sweeper, keep, clock):
    job = make_job()
    keep(job.id)
    store.add(job, bounds=WIDE)
    for _ in range(3):
        store.claim(CLAIMING)
        clock.move(31)
        assert list(artifacts.job_ids()) == [job.id]
        make_sweeper().sweep(here=[])
    assert store.get(job.id, owner=None).status == "failed"
    assert list(artifacts.job_ids()) == []
