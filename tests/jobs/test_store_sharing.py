"""Several threads and processes on one store: nothing is given out twice."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from threading import Barrier

import pytest

from app.errors import Overloaded
from app.jobs.claims import claim_job
from app.jobs.store import Bounds, Claiming, IdempotencyKey, open_store

WIDE = Bounds(max_queued=1000, max_queued_per_key=1000)
N_THREADS = 4

# Each process opens the store, maybe as the first, waits for the other, adds jobs, and begins what it can.
PROCESS = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from app.jobs.record import Job, JobInput, JobRequest, new_job_id
from app.jobs.store import Bounds, Claiming, open_store

url, name, directory = sys.argv[1:]
Path(directory, name).touch()
while len(list(Path(directory).glob("process-*"))) < 2:
    time.sleep(0.001)
store = open_store(url)
for _ in range(10):
    job = Job(new_job_id(), name, "queued", JobRequest(), JobInput(1, "", False), datetime.now(UTC))
    store.add(job, bounds=Bounds(100, 100))
while (claimed := store.claim(Claiming(name, 600, True))) is not None:
    print(claimed[0].id)
store.close()
"""


def in_threads(act):
    """Results of the act, done by several threads at the same time."""
    barrier = Barrier(N_THREADS)

    def begin(number):
        barrier.wait()
        return act(number)

    with ThreadPoolExecutor(N_THREADS) as pool:
        return list(pool.map(begin, range(N_THREADS)))


def test_two_threads_never_begin_the_same_job(store, make_job):
    ids = {store.add(make_job(), bounds=WIDE).id for _ in range(24)}

    def claim_all(number):
        claimed = []
        while (found := store.claim(Claiming(f"worker-{number}", 30, long_allowed=True))) is not None:
            claimed.append(found[0].id)
        return claimed

    claimed = list(chain(*in_threads(claim_all)))
    assert sorted(claimed) == sorted(ids)


def test_two_processes_open_a_new_store_and_never_begin_the_same_job(url, tmp_path):
    command = [sys.executable, "-c", PROCESS, url]
    running = [
        subprocess.Popen(
            [*command, f"process-{number}", str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    ended = [(*process.communicate(timeout=60), process.returncode) for process in running]
    assert [(errors, code) for _, errors, code in ended] == [("", 0)] * 2
    claimed = [job_id for output, _, _ in ended for job_id in output.split()]
    assert len(claimed) == len(set(claimed)) == 20
    store = open_store(url)
    counts = store.counts()
    store.close()
    assert (counts["running"], counts["queued"]) == (20, 0)


def test_bounds_hold_when_several_come_at_the_same_time(store, make_job):
    jobs = [make_job() for _ in range(N_THREADS * 5)]

    def add_some(number):
        refused = 0
        for job in jobs[number::N_THREADS]:
            try:
                store.add(job, bounds=Bounds(max_queued=7, max_queued_per_key=100))
            except Overloaded:
                refused += 1
        return refused

    assert sum(in_threads(add_some)) == len(jobs) - 7
    assert store.counts()["queued"] == 7


def test_one_key_makes_one_job_when_several_come_at_the_same_time(store, make_job):
    jobs = [make_job() for _ in range(N_THREADS)]
    key = IdempotencyKey("ann", "key", "print", keep_s=60)
    added = in_threads(lambda number: store.add(jobs[number], bounds=WIDE, key=key))
    assert len({job.id for job in added}) == 1
    assert store.counts()["queued"] == 1


def test_a_message_is_given_to_one_of_several_senders(store, make_job):
    for _ in range(12):
        job = store.add(make_job(webhook="https://example.org"), bounds=WIDE)
        store.request_cancel(job.id, owner=None, keep_s=60, webhook_body=lambda job: job.id)

    def send_all(number):
        sent = []
        while due := store.due_deliveries(1 + number):
            sent.extend(delivery.job_id for delivery in due)
        return sent

    sent = list(chain(*in_threads(send_all)))
    assert len(sent) == len(set(sent)) == 12


def test_owners_take_turns_also_when_two_claim_at_the_same_time(store, url, clock, make_job):
    ids = [store.add(make_job(owner), bounds=WIDE).id for owner in ("ann", "ann", "bob")]
    claiming = Claiming("worker", 30, long_allowed=True)
    with (
        closing(open_store(url, clock=clock)) as other,
        ThreadPoolExecutor(1) as pool,
        other._database.write() as transaction,
    ):
        first, _ = claim_job(transaction, claiming)
        second = pool.submit(store.claim, claiming)
        with pytest.raises(TimeoutError):
            second.result(0.2)
    assert [first.id, second.result()[0].id] == [ids[0], ids[2]]


def test_a_job_that_is_begun_while_its_end_is_asked_for_is_marked(store, url, clock, make_job):
    job = store.add(make_job(), bounds=WIDE)
    with (
        closing(open_store(url, clock=clock)) as other,
        ThreadPoolExecutor(1) as pool,
        other._database.write() as transaction,
    ):
        claim_job(transaction, Claiming("worker", 30, long_allowed=True))
        asked = pool.submit(store.request_cancel, job.id, owner=None, keep_s=60, webhook_body=None)
        with pytest.raises(TimeoutError):
            asked.result(0.2)
    assert (asked.result().status, asked.result().cancel_requested) == ("running", True)


def test_a_reader_does_not_wait_for_a_writer(store, make_job):
    job = store.add(make_job(), bounds=WIDE)
    with store._database.write():
        assert store.get(job.id, owner=None) == job
