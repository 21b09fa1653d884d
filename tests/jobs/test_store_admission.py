"""Jobs come in: what is written, the bounds, and idempotency keys."""

import pytest

from app.errors import IdempotencyMismatch, NotFound, Overloaded, RateLimited
from app.jobs.store import Bounds, Claiming, IdempotencyKey, Outcome

WIDE = Bounds(max_queued=100, max_queued_per_key=100)
CLAIMING = Claiming("worker", 30, long_allowed=True)


def key(fingerprint="print", *, owner="ann"):
    return IdempotencyKey(owner, "key", fingerprint, keep_s=60)


def test_a_job_is_read_back_as_it_was_written(store, make_job):
    job = make_job(webhook="https://example.org/x")
    assert store.add(job, bounds=WIDE) == job
    assert store.get(job.id, owner="ann") == job
    assert store.get(job.id, owner=None).created_at.utcoffset().total_seconds() == 0
    [event] = store.events_after(job.id, 0)
    assert (event.number, event.kind, event.data) == (1, "state", {"status": "queued", "attempt": 0})


def test_a_job_of_another_owner_is_not_found(store, make_job):
    job = store.add(make_job("ann"), bounds=WIDE)
    for act in (
        lambda: store.get(job.id, owner="bob"),
        lambda: store.get(job.id, owner=""),
        lambda: store.request_cancel(job.id, owner="bob", keep_s=1, webhook_body=None),
        lambda: store.delete(job.id, owner="bob"),
    ):
        with pytest.raises(NotFound):
            act()
    assert store.get(job.id, owner="ann").status == "queued"


def test_jobs_are_listed_by_owner_and_state_from_the_newest_on(store, make_job):
    jobs = [store.add(make_job(owner), bounds=WIDE) for owner in ("ann", "bob", "ann", "ann")]
    store.claim(CLAIMING)
    first, second, third, fourth = (job.id for job in jobs)

    def ids(**query):
        return [job.id for job in store.list(**{"owner": "ann", "limit": 10, **query})]

    assert ids() == [fourth, third, first]
    assert ids(owner=None) == [fourth, third, second, first]
    assert ids(limit=2) == [fourth, third]
    assert ids(before=third) == [first]
    assert ids(status="running") == [first]
    assert ids(status="queued") == [fourth, third]


def test_the_place_in_a_list_outlives_the_job_that_marks_it(store, make_job):
    jobs = [store.add(make_job(), bounds=WIDE) for _ in range(3)]
    store.delete(jobs[1].id, owner="ann")
    assert store.list(owner="ann", before=jobs[1].id, limit=10) == [jobs[0]]


def test_too_many_waiting_jobs_are_refused_and_running_ones_do_not_count(store, make_job):
    bounds = Bounds(max_queued=2, max_queued_per_key=100)
    store.add(make_job("ann"), bounds=bounds)
    store.add(make_job("bob"), bounds=bounds)
    refused = make_job("cec")
    with pytest.raises(Overloaded) as raised:
        store.add(refused, bounds=bounds)
    assert (raised.value.limit, raised.value.setting) == (2, "EARSIGHT_JOBS__MAX_QUEUED")
    assert raised.value.retry_after_s > 0
    with pytest.raises(Overloaded):
        store.check_room("cec", bounds=bounds)
    with pytest.raises(NotFound):
        store.get(refused.id, owner=None)
    store.claim(CLAIMING)
    store.check_room("cec", bounds=bounds)
    store.add(refused, bounds=bounds)


def test_too_many_jobs_of_one_owner_are_refused_running_ones_included(store, make_job):
    bounds = Bounds(max_queued=100, max_queued_per_key=2)
    store.add(make_job("ann"), bounds=bounds)
    _, lease = store.claim(CLAIMING)
    store.add(make_job("ann"), bounds=bounds)
    with pytest.raises(RateLimited) as raised:
        store.add(make_job("ann"), bounds=bounds)
    assert (raised.value.limit, raised.value.setting) == (2, "EARSIGHT_JOBS__MAX_QUEUED_PER_KEY")
    assert raised.value.retry_after_s > 0
    store.add(make_job("bob"), bounds=bounds)
    store.finish(lease, Outcome("succeeded"), keep_s=60, webhook_body=None)
    store.add(make_job("ann"), bounds=bounds)


def test_the_same_key_and_request_give_the_earlier_job_even_without_room(store, make_job):
    first = store.add(make_job(), bounds=WIDE, key=key())
    again = store.add(make_job(), bounds=Bounds(1, 1), key=key())
    assert again == first
    assert store.remembered("ann", "key") == ("print", first.id)
    assert store.counts()["queued"] == 1


def test_the_same_key_with_another_request_is_refused(store, make_job):
    store.add(make_job(), bounds=WIDE, key=key())
    with pytest.raises(IdempotencyMismatch):
        store.add(make_job(), bounds=WIDE, key=key("other"))
    assert store.counts()["queued"] == 1


def test_keys_of_different_owners_do_not_meet(store, make_job):
    first = store.add(make_job("ann"), bounds=WIDE, key=key())
    second = store.add(make_job("bob"), bounds=WIDE, key=key(owner="bob"))
    assert first.id != second.id
    assert store.remembered("cec", "key") is None


def test_a_key_is_forgotten_in_time_and_can_be_used_anew(store, make_job, clock):
    store.add(make_job(), bounds=WIDE, key=key())
    clock.move(59)
    assert store.remembered("ann", "key") is not None
    clock.move(1)
    assert store.remembered("ann", "key") is None
    second = store.add(make_job(), bounds=WIDE, key=key("other"))
    assert store.remembered("ann", "key") == ("other", second.id)


def test_a_refused_job_leaves_its_key_free(store, make_job):
    with pytest.raises(Overloaded):
        store.add(make_job(), bounds=Bounds(0, 1), key=key())
    assert store.remembered("ann", "key") is None


def test_a_key_goes_with_its_job(store, make_job):
    job = store.add(make_job(), bounds=WIDE, key=key())
    store.delete(job.id, owner="ann")
    assert store.remembered("ann", "key") is None


def test_jobs_are_counted_by_state(store, make_job):
    for _ in range(3):
        store.add(make_job(), bounds=WIDE)
    store.claim(CLAIMING)
    none = dict.fromkeys(("succeeded", "failed", "canceled", "expired"), 0)
    assert store.counts() == {"queued": 2, "running": 1, **none}
