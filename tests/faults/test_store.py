"""A store that others hold, and one that two servers share."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from collections import Counter

import pytest

from tests.faults import site as places
from tests.faults.launcher import Faults, Kill
from tests.faults.test_kill_points import dead

pytestmark = pytest.mark.faults

SLOW = Faults(slow={"app.jobs.analyst:_Teller.tell_frames": 0.3})
HELD_S = 8.0  # longer than a writer waits


class Holder:
    """Another program that locks the database for a while."""

    def __init__(self, server):
        self._path = server.jobs / "jobs.sqlite3"
        self._held = threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def __enter__(self):
        self._thread.start()
        self._held.wait(10)
        return self

    def __exit__(self, *_):
        self._thread.join()

    def _hold(self):
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=30)
        connection.execute("BEGIN EXCLUSIVE")
        self._held.set()
        time.sleep(HELD_S)
        connection.execute("ROLLBACK")
        connection.close()


def test_a_locked_store_delays_but_loses_nothing(site, clip, long_clip):
    server = site.start(SLOW)
    with server.client() as client:
        running = places.accepted(places.submit(client, long_clip))
        places.until("running", client, running, stage="analyze")
        waiting = places.accepted(places.submit(client, clip))
        with Holder(server):
            refused = places.submit(client, clip)
            assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
            assert int(refused.headers["retry-after"]) > 0
            places.check_alive(client)
            assert client.get(f"/v1/jobs/{running}").json()["status"] == "running"
        jobs = [places.end_of(client, job_id) for job_id in (running, waiting)]
        assert [job["status"] for job in jobs] == ["succeeded"] * 2
        for job in jobs:
            places.check_told_once(client, job)
        places.check_tidy(site, server, jobs)


def check_done_once(site, server, client, job_ids):
    jobs = [places.end_of(client, job_id) for job_id in job_ids]
    assert {job["status"] for job in jobs} == {"succeeded"}
    for job in jobs:
        places.check_told_once(client, job)
    ends = Counter(
        event["job_id"] for event in site.events if event["event"] == "job_ended" and event.get("recorded")
    )
    assert ends == Counter(job_ids)
    places.check_tidy(site, server, jobs)


def test_two_servers_do_each_job_once(site, clip):
    servers = [site.start(), site.start()]
    job_ids = []
    for number in range(20):
        with servers[number % 2].client() as client:
            job_ids.append(places.accepted(places.submit(client, clip)))
    with servers[0].client() as client:
        check_done_once(site, servers[0], client, job_ids)
    workers = Counter(
        number
        for number, server in enumerate(servers)
        for event in server.events
        if event["event"] == "job_ended"
    )
    assert len(workers) == 2


def test_the_same_key_at_two_servers_is_one_job(site, clip):
    servers = [site.start(), site.start()]
    told = []

    def bring(server):
        with server.client() as client:
            told.append(places.accepted(places.submit(client, clip, key="one")))

    threads = [threading.Thread(target=bring, args=(server,)) for server in servers * 3]
    for thread in threads[:2]:
        thread.start()
    for thread in threads[:2]:
        thread.join()
    assert len(told) == 2
    assert len(set(told)) == 1
    with servers[0].client() as client:
        check_done_once(site, servers[0], client, told[:1])


def test_a_server_takes_over_from_one_that_died(site, clip):
    first = site.start(Faults(kill=Kill("app.jobs.analyst:_Teller.tell_frames", nth=3)))
    second = site.start(JOBS__WORKERS=1)
    with second.client() as client:
        job_ids = [places.accepted(places.submit(client, clip)) for _ in range(8)]
        dead(first)
        for job_id in job_ids:
            assert places.end_of(client, job_id)["status"] == "succeeded"
        site.start(JOBS__WORKERS=0)  # the dead one is back, which clears its scratch directory
        check_done_once(site, second, client, job_ids)


def test_a_server_that_stood_still_does_not_write_over_what_another_did(site, long_clip):
    first = site.start(SLOW)
    with first.client() as client:
        job_id = places.accepted(places.submit(client, long_clip))
        places.until("running", client, job_id, stage="analyze")
    first.process.send_signal(signal.SIGSTOP)
    second = site.start()
    with second.client() as client:
        job = places.end_of(client, job_id)
        first.process.send_signal(signal.SIGCONT)
        assert (job["status"], job["attempt"]) == ("succeeded", 2)
        first.wait_for_event("job_let_go", job_id=job_id)
        check_done_once(site, second, client, [job_id])
