"""Who works on what: fair turns, leases, and that a lost lease writes nothing."""

from dataclasses import replace

import pytest

from app.jobs.record import Artifact, Lease, Progress
from app.jobs.store import Bounds, Claiming, Outcome

WIDE = Bounds(max_queued=100, max_queued_per_key=100)
CLAIMING = Claiming("worker", 30, long_allowed=True)
SHORT_ONLY = replace(CLAIMING, long_allowed=False)
FACTS = {"duration_s": 90.0, "has_audio": True}
RECOVERY = {"lease_s": 30, "max_attempts": 3, "here": (), "keep_s": 60, "webhook_body": None}


@pytest.fixture
def held(store, make_job):
    """A job and its lease."""
    store.add(make_job(), bounds=WIDE)
    return store.claim(CLAIMING)


def kinds(store, job_id):
    return [event.kind for event in store.events_after(job_id, 0)]


def test_claiming_begins_a_job(store, make_job, clock):
    added = store.add(make_job(), bounds=WIDE)
    clock.move(5)
    job, lease = store.claim(CLAIMING)
    assert job == replace(added, status="running", attempt=1, started_at=clock.now)
    assert lease == Lease(added.id, "worker", 1)
    assert store.get(job.id, owner=None) == job
    assert store.events_after(job.id, 1)[0].data == {"status": "running", "attempt": 1}
    assert store.claim(CLAIMING) is None


def test_owners_take_turns_with_their_oldest_job(store, make_job):
    owners = ["ann", "ann", "ann", "bob", "bob", "cec"]
    jobs = [store.add(make_job(owner), bounds=WIDE).id for owner in owners]
    claimed = [store.claim(CLAIMING)[0].id for _ in owners]
    assert claimed == [jobs[at] for at in (0, 3, 5, 1, 4, 2)]


def test_an_owner_who_was_served_waits_behind_a_new_one(store, make_job):
    store.add(make_job("ann"), bounds=WIDE)
    store.claim(CLAIMING)
    store.add(make_job("ann"), bounds=WIDE)
    new = store.add(make_job("bob"), bounds=WIDE)
    assert store.claim(CLAIMING)[0].id == new.id


def test_turns_do_not_depend_on_the_clock(store, make_job, clock):
    for owner in ("ann", "bob"):
        store.add(make_job(owner), bounds=WIDE)
        store.claim(CLAIMING)
        clock.move(-3600)
    waiting = [store.add(make_job(owner), bounds=WIDE) for owner in ("bob", "ann")]
    assert store.claim(CLAIMING)[0].id == waiting[1].id


def test_long_jobs_are_left_out_unless_they_are_allowed(store, make_job):
    long = store.add(make_job(long=True), bounds=WIDE)
    short = store.add(make_job(), bounds=WIDE)
    assert store.claim(SHORT_ONLY)[0].id == short.id
    assert store.claim(SHORT_ONLY) is None
    assert store.claim(CLAIMING)[0].id == long.id


def test_a_job_put_back_keeps_its_place_and_its_attempts(store, held, make_job):
    job, lease = held
    store.add(make_job(), bounds=WIDE)
    assert store.put_back(lease, long=True, facts=FACTS)
    waiting = store.get(job.id, owner=None)
    assert (waiting.status, waiting.attempt, waiting.long) == ("queued", 0, True)
    assert waiting.input.facts == FACTS
    assert waiting.started_at == job.started_at
    assert store.claim(CLAIMING)[0].id == job.id


def test_a_released_job_waits_as_if_it_had_not_been_begun(store, held, clock):
    job, lease = held
    store.note(lease, Progress("analyze", 0.5, 7, 14))
    assert store.release(lease)
    waiting = store.get(job.id, owner=None)
    assert (waiting.status, waiting.attempt, waiting.long) == ("queued", 0, False)
    assert waiting.progress == Progress()
    assert not store.release(lease)
    clock.move(9)
    assert store.claim(CLAIMING)[0].started_at == job.started_at


def test_progress_is_written_down_with_what_was_found_out(store, held):
    job, lease = held
    model = {"name": "default", "version": "1"}
    assert store.note(lease, Progress("analyze", 0.25, 3, 12), facts=FACTS, model=model)
    assert store.note(lease, Progress("analyze", 0.5, 6, 12))
    found = store.get(job.id, owner=None)
    assert found.progress == Progress("analyze", 0.5, 6, 12)
    assert (found.input.facts, found.model) == (FACTS, model)
    events = store.events_after(job.id, 2)
    assert [event.number for event in events] == [3, 4]
    assert events[1].data == {"stage": "analyze", "fraction": 0.5, "frames_done": 6, "frames_total": 12}


def test_events_are_read_in_portions(store, held):
    job, lease = held
    for count in range(5):
        assert store.append(lease, "partial", {"lines": count})
    assert [event.data["lines"] for event in store.events_after(job.id, 3, limit=3)] == [1, 2, 3]
    assert store.events_after(job.id, 7) == []


def test_renewing_tells_which_jobs_are_still_held_and_whose_end_was_asked_for(store, make_job, clock):
    leases = []
    for _ in range(3):
        store.add(make_job(), bounds=WIDE)
        leases.append(store.claim(CLAIMING)[1])
    store.request_cancel(leases[1].job_id, owner=None, keep_s=60, webhook_body=None)
    store.release(leases[2])
    clock.move(25)
    held = store.renew("worker", leases, 30)
    assert held == {leases[0].job_id: False, leases[1].job_id: True}
    clock.move(25)
    assert store.recover(**RECOVERY) == []
    assert store.renew("other", leases, 30) == {}
    assert store.renew("worker", [], 30) == {}


def test_under_a_lost_lease_nothing_is_written(store, held, clock):
    job, lost = held
    clock.move(31)
    store.recover(**RECOVERY)
    taken, _ = store.claim(replace(CLAIMING, worker="other"))
    assert (taken.id, taken.attempt) == (job.id, 2)
    before = (store.get(job.id, owner=None), kinds(store, job.id))
    outcome = Outcome("succeeded", artifacts=(Artifact("result.json", "application/json", 1, "00"),))
    assert not store.note(lost, Progress("encode"))
    assert not store.append(lost, "partial", {})
    assert not store.put_back(lost, long=True, facts={})
    assert not store.release(lost)
    assert not store.finish(lost, outcome, keep_s=60, webhook_body=lambda job: job.id)
    assert store.renew("worker", [lost], 30) == {}
    assert (store.get(job.id, owner=None), kinds(store, job.id)) == before


def test_under_the_lease_of_an_earlier_attempt_nothing_is_written(store, held, clock):
    _, lost = held
    clock.move(31)
    store.recover(**RECOVERY)
    _, lease = store.claim(CLAIMING)
    assert not store.note(lost, Progress("encode"))
    assert store.note(lease, Progress("encode"))


def test_under_the_lease_of_another_worker_nothing_is_written(store, held):
    _, given_back = held
    store.release(given_back)
    _, lease = store.claim(replace(CLAIMING, worker="other"))
    assert lease.attempt == given_back.attempt  # so the worker alone tells them apart
    assert not store.note(given_back, Progress("encode"))
    assert not store.finish(given_back, Outcome("succeeded"), keep_s=60, webhook_body=None)
    assert store.note(lease, Progress("encode"))


def test_a_late_worker_may_go_on_while_nobody_has_its_job(store, held, clock):
    _, lease = held
    clock.move(3600)
    assert store.note(lease, Progress("encode"))
    assert store.finish(lease, Outcome("succeeded"), keep_s=60, webhook_body=None)


def test_a_deleted_job_is_not_held(store, held):
    job, lease = held
    assert store.delete(job.id, owner="ann").status == "running"
    assert not store.note(lease, Progress("encode"))
    assert not store.finish(lease, Outcome("succeeded"), keep_s=60, webhook_body=None)
    assert store.events_after(job.id, 0) == []
