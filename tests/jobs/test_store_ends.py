"""How jobs end, come back after a lost worker, expire, and are forgotten."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.errors import NotFound
from app.jobs.record import Artifact, Progress
from app.jobs.store import Bounds, Claiming, IdempotencyKey, Outcome

WIDE = Bounds(max_queued=100, max_queued_per_key=100)
CLAIMING = Claiming("worker", 30, long_allowed=True)
ARTIFACT = Artifact("result.json", "application/json", 12, "cd" * 32)
ERROR = {"code": "media_corrupt", "title": "Media cannot be decoded", "detail": "no frame"}


@pytest.fixture
def held(store, make_job):
    """A job and its lease."""
    store.add(make_job(), bounds=WIDE)
    return store.claim(CLAIMING)


def recover(store, *, max_attempts=3, here=(), webhook_body=None):
    return store.recover(
        lease_s=30, max_attempts=max_attempts, here=here, keep_s=60, webhook_body=webhook_body
    )


def cancel(store, job, *, webhook_body=None):
    return store.request_cancel(job.id, owner=job.owner, keep_s=60, webhook_body=webhook_body)


def last_events(store, job_id):
    return [(event.kind, event.data) for event in store.events_after(job_id, 0)][-2:]


def test_a_job_that_succeeds_has_its_artifacts_until_it_expires(store, held, clock):
    job, lease = held
    store.note(lease, Progress("encode", 0.5, 12, 12))
    outcome = Outcome("succeeded", artifacts=(ARTIFACT,), model={"name": "default"})
    assert store.finish(lease, outcome, keep_s=60, webhook_body=None)
    ended = store.get(job.id, owner=None)
    assert ended == replace(
        job,
        status="succeeded",
        progress=Progress("done", 1.0, 12, 12),
        finished_at=clock.now,
        expires_at=clock.now + timedelta(seconds=60),
        artifacts=(ARTIFACT,),
        model={"name": "default"},
    )
    short = {"status": "succeeded", "attempt": 1}
    assert last_events(store, job.id) == [("state", short), ("done", short)]
    assert not store.finish(lease, outcome, keep_s=60, webhook_body=None)


def test_a_job_that_fails_tells_why_and_how_far_it_was(store, held):
    job, lease = held
    store.note(lease, Progress("analyze", 0.5, 6, 12))
    store.finish(lease, Outcome("failed", error=ERROR), keep_s=60, webhook_body=None)
    ended = store.get(job.id, owner=None)
    assert (ended.status, ended.error, ended.progress.fraction) == ("failed", ERROR, 0.5)
    short = {"status": "failed", "attempt": 1, "error": ERROR}
    assert last_events(store, job.id) == [("state", short), ("done", short)]


def test_a_waiting_job_is_canceled_at_once(store, make_job, clock):
    job = store.add(make_job(), bounds=WIDE)
    canceled = cancel(store, job)
    assert (canceled.status, canceled.finished_at) == ("canceled", clock.now)
    assert canceled.expires_at == clock.now + timedelta(seconds=60)
    assert store.get(job.id, owner=None) == canceled
    assert [kind for kind, _ in last_events(store, job.id)] == ["state", "done"]
    assert store.claim(CLAIMING) is None
    assert cancel(store, job) == canceled


def test_a_running_job_is_only_marked_and_its_worker_ends_it(store, held):
    job, lease = held
    assert cancel(store, job) == replace(job, cancel_requested=True)
    assert store.get(job.id, owner=None).status == "running"
    assert store.finish(lease, Outcome("canceled"), keep_s=60, webhook_body=None)
    assert store.get(job.id, owner=None).status == "canceled"


def test_canceling_a_job_that_has_ended_changes_nothing(store, held):
    job, lease = held
    store.finish(lease, Outcome("succeeded"), keep_s=60, webhook_body=None)
    ended = store.get(job.id, owner=None)
    assert cancel(store, job) == ended
    assert store.get(job.id, owner=None) == ended


def test_a_job_given_back_after_its_end_was_asked_for_is_never_begun_again(store, held):
    job, lease = held
    cancel(store, job)
    store.release(lease)
    assert store.claim(CLAIMING) is None
    assert [found.status for found in recover(store)] == ["canceled"]
    assert store.get(job.id, owner=None).status == "canceled"


def test_a_deleted_job_is_gone_with_its_events(store, make_job):
    job = store.add(make_job(), bounds=WIDE)
    assert store.delete(job.id, owner=None) == job
    assert store.events_after(job.id, 0) == []
    with pytest.raises(NotFound):
        store.delete(job.id, owner=None)


def test_a_job_is_recovered_once_its_lease_is_over(store, held, clock):
    job, lease = held
    store.note(lease, Progress("analyze", 0.5, 6, 12))
    clock.move(30)
    assert recover(store) == []
    clock.move(0.001)
    assert recover(store) == [replace(job, status="queued")]
    assert recover(store) == []
    assert store.events_after(job.id, 3)[0].data == {"status": "queued", "attempt": 1}
    again, _ = store.claim(CLAIMING)
    assert (again.id, again.attempt) == (job.id, 2)


def test_a_lease_from_before_the_clock_was_set_back_is_lost(store, held, clock):
    job, _ = held
    clock.move(-30)
    assert recover(store) == []
    clock.move(-0.001)
    assert [found.id for found in recover(store)] == [job.id]


def test_jobs_that_the_caller_works_on_are_not_recovered(store, held, clock):
    job, lease = held
    clock.move(3600)
    assert recover(store, here=[job.id]) == []
    assert store.renew("worker", [lease], 30) == {job.id: False}


def test_a_job_fails_after_the_last_attempt(store, held, clock):
    job, _ = held
    for attempt in (1, 2):
        clock.move(31)
        assert [found.status for found in recover(store)] == ["queued"]
        assert store.claim(CLAIMING)[0].attempt == attempt + 1
    clock.move(31)
    [failed] = recover(store)
    assert (failed.id, failed.status, failed.attempt) == (job.id, "failed", 3)
    assert failed.error["code"] == "worker_lost"
    assert failed.error["title"]
    assert "3 times" in failed.error["detail"]
    assert failed.expires_at == clock.now + timedelta(seconds=60)
    assert last_events(store, job.id)[1][0] == "done"


def test_a_lost_job_whose_end_was_asked_for_is_canceled(store, held, clock):
    job, _ = held
    cancel(store, job)
    clock.move(31)
    assert [found.status for found in recover(store, max_attempts=1)] == ["canceled"]


def test_results_expire_and_the_record_stays(store, held, clock):
    job, lease = held
    store.finish(lease, Outcome("succeeded", artifacts=(ARTIFACT,)), keep_s=60, webhook_body=None)
    n_events = len(store.events_after(job.id, 0))
    clock.move(59)
    assert store.expire(forget_s=100) == []
    assert store.known([job.id, "job_x"]) == {job.id}
    clock.move(1)
    [expired] = store.expire(forget_s=100)
    assert (expired.id, expired.status, expired.artifacts) == (job.id, "expired", ())
    assert store.get(job.id, owner="ann") == expired
    assert store.known([job.id]) == set()
    assert len(store.events_after(job.id, 0)) == n_events
    assert store.expire(forget_s=100) == []


def test_an_expired_record_is_forgotten_in_time(store, held, clock):
    job, lease = held
    store.finish(lease, Outcome("failed", error=ERROR), keep_s=60, webhook_body=None)
    clock.move(60)
    store.expire(forget_s=100)
    clock.move(99)
    store.expire(forget_s=100)
    assert store.get(job.id, owner=None).error == ERROR
    clock.move(1)
    assert store.expire(forget_s=100) == []
    assert store.events_after(job.id, 0) == []
    with pytest.raises(NotFound):
        store.get(job.id, owner=None)


def test_jobs_that_have_not_ended_do_not_expire(store, held, make_job, clock):
    job, _ = held
    waiting = store.add(make_job(), bounds=WIDE, key=IdempotencyKey("ann", "key", "print", keep_s=60))
    clock.move(1_000_000)
    assert store.expire(forget_s=100) == []
    assert store.known([job.id, waiting.id]) == {job.id, waiting.id}


def test_known_takes_more_ids_than_a_query_can(store, held):
    job, _ = held
    assert store.known([*(f"job_{number}" for number in range(70_000)), job.id]) == {job.id}
