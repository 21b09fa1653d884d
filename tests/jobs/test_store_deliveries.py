"""Messages to clients' servers: written with the end of a job, and given to one sender at a time."""

import pytest

from app.jobs.store import Bounds, Claiming, Delivery, Outcome

WIDE = Bounds(max_queued=100, max_queued_per_key=100)
CLAIMING = Claiming("worker", 30, long_allowed=True)
HOOK = "https://example.org/hook"


def body(job):
    return f"{job.id} {job.status}"


@pytest.fixture
def ended(store, make_job):
    """A job that has ended and whose client waits for a message."""
    job = store.add(make_job(webhook=HOOK), bounds=WIDE)
    _, lease = store.claim(CLAIMING)
    store.finish(lease, Outcome("succeeded"), keep_s=60, webhook_body=body)
    return job


def test_a_message_is_due_when_a_job_has_ended(store, ended):
    [delivery] = store.due_deliveries(10)
    assert delivery == Delivery(delivery.id, ended.id, HOOK, f"{ended.id} succeeded", 1)
    assert delivery.id.startswith("msg_")
    assert len(delivery.id) == 30


def test_a_message_is_given_out_once_until_the_sender_has_had_its_time(store, ended, clock):
    [first] = store.due_deliveries(10, hold_s=20)
    clock.move(19)
    assert store.due_deliveries(10, hold_s=20) == []
    clock.move(1)
    [again] = store.due_deliveries(10, hold_s=20)
    assert (again.id, again.attempt) == (first.id, 2)


def test_what_was_delivered_is_not_due_again(store, ended, clock):
    [delivery] = store.due_deliveries(10)
    store.delivered(delivery.id)
    clock.move(1_000_000)
    assert store.due_deliveries(10) == []


def test_what_failed_is_due_after_its_pause_or_never(store, ended, clock):
    [delivery] = store.due_deliveries(10)
    store.delivery_failed(delivery.id, retry_in_s=5, reason="status 500")
    clock.move(4)
    assert store.due_deliveries(10) == []
    clock.move(1)
    [again] = store.due_deliveries(10)
    assert (again.id, again.attempt) == (delivery.id, 2)
    store.delivery_failed(again.id, retry_in_s=None, reason="status 410")
    clock.move(1_000_000)
    assert store.due_deliveries(10) == []


def test_what_has_waited_longest_goes_first(store, make_job, clock):
    jobs = [store.add(make_job(webhook=HOOK), bounds=WIDE) for _ in range(3)]
    for job in jobs:
        clock.move(1)
        store.request_cancel(job.id, owner=None, keep_s=60, webhook_body=body)
    assert [delivery.job_id for delivery in store.due_deliveries(2)] == [jobs[0].id, jobs[1].id]
    assert [delivery.body for delivery in store.due_deliveries(2)] == [f"{jobs[2].id} canceled"]


def test_a_lost_job_is_told_of_too(store, make_job, clock):
    store.add(make_job(webhook=HOOK), bounds=WIDE)
    job, _ = store.claim(CLAIMING)
    clock.move(31)
    store.recover(lease_s=30, max_attempts=1, here=(), keep_s=60, webhook_body=body)
    assert [delivery.body for delivery in store.due_deliveries(10)] == [f"{job.id} failed"]


def test_nobody_is_told_who_did_not_ask(store, make_job):
    job = store.add(make_job(), bounds=WIDE)
    store.request_cancel(job.id, owner=None, keep_s=60, webhook_body=body)
    other = store.add(make_job(webhook=HOOK), bounds=WIDE)
    store.request_cancel(other.id, owner=None, keep_s=60, webhook_body=None)
    assert store.due_deliveries(10) == []


def test_a_message_goes_with_its_job(store, ended):
    store.delete(ended.id, owner=None)
    assert store.due_deliveries(10) == []


def test_a_message_that_cannot_be_made_leaves_the_job_as_it_was(store, make_job):
    store.add(make_job(webhook=HOOK), bounds=WIDE)
    job, lease = store.claim(CLAIMING)
    with pytest.raises(ZeroDivisionError):
        store.finish(lease, Outcome("succeeded"), keep_s=60, webhook_body=lambda _: str(1 / 0))
    assert store.get(job.id, owner=None) == job
    assert store.renew("worker", [lease], 30) == {job.id: False}
