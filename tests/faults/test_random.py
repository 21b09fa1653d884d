"""Clients that never give up against servers that die all the time, at points drawn by lot."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx
import pytest

from tests.faults import site as places
from tests.faults.launcher import Faults
from tests.faults.test_kill_points import POINTS

SEED = 7
CLIENTS = 3
LONGEST_LIFE_S = 1.0
MOST_WAITING = 12
MOST_ATTEMPTS = 5
REPEAT_EVERY = 5


@dataclass
class Ledger:
    """What the clients were told: clip and job by the key that was sent with it."""

    jobs: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    canceled: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


class Clients:
    """Threads that bring jobs to whatever server there is now, again and again until they are told."""

    def __init__(self, seed, clips) -> None:
        self.url = ""
        self.ledger = Ledger()
        self._clips = clips
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(random.Random(f"{seed} {number}"), number))
            for number in range(CLIENTS)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, dice, number):
        try:
            for turn in range(1_000_000):
                if self._stop.is_set():
                    return
                self._bring(dice, f"{number}-{turn}")
        except Exception as error:
            self.ledger.faults.append(repr(error))

    def _bring(self, dice, key):
        clip = dice.choice(self._clips)
        while True:
            with httpx.Client(base_url=self.url, timeout=20, trust_env=False) as client:
                try:
                    answer = places.submit(client, clip, key=key)
                    if answer.status_code not in (409, 429, 503):
                        break
                    assert "retry-after" in answer.headers, answer.text
                except httpx.TransportError:
                    pass
            if self._stop.is_set():
                return
            time.sleep(0.1)
        job_id = places.accepted(answer)
        self.ledger.jobs[key] = clip, job_id
        if dice.random() < 0.15:
            self._cancel(job_id)
        time.sleep(dice.uniform(0, 0.5))

    def _cancel(self, job_id):
        try:
            answer = httpx.post(f"{self.url}/v1/jobs/{job_id}/cancel", timeout=20, trust_env=False)
        except httpx.TransportError:
            return
        assert answer.status_code in (202, 503), answer.text
        if answer.status_code == 202 and answer.json()["status"] == "canceled":
            self.ledger.canceled.add(job_id)


def live_and_die(site, clients, dice):
    """One life of a server, which ends at a point of its work or at any moment."""
    point = dice.choice([None, *POINTS.values()])
    try:
        server = site.start(
            Faults(kill=point), JOBS__MAX_QUEUED=MOST_WAITING, JOBS__MAX_ATTEMPTS=MOST_ATTEMPTS
        )
    except AssertionError:
        # It died of its fault before it was up: a job was waiting for it.
        assert point is not None
        return
    clients.url = server.url
    deadline_s = time.monotonic() + (3 * LONGEST_LIFE_S if point else dice.uniform(0, LONGEST_LIFE_S))
    while server.process.poll() is None and time.monotonic() < deadline_s:
        time.sleep(0.01)
    site.kill(server)


@pytest.mark.parametrize(
    "kills", [8, pytest.param(200, marks=[pytest.mark.faults, pytest.mark.timeout(3600)])]
)
def test_whatever_kills_the_servers_each_accepted_job_ends_once(site, clip, short_clip, kills):
    dice = random.Random(SEED)
    with Clients(SEED, [clip, short_clip, b"no clip"]) as clients:
        for _ in range(kills):
            live_and_die(site, clients, dice)
        server = site.start()
        clients.url = server.url
    ledger = clients.ledger
    assert ledger.faults == []
    with server.client() as client:
        ended = {job_id: places.end_of(client, job_id) for _, job_id in ledger.jobs.values()}
        for job in ended.values():
            places.check_told_once(client, job)
        for key, (sent, job_id) in list(ledger.jobs.items())[::REPEAT_EVERY]:
            assert places.accepted(places.submit(client, sent, key=key)) == job_id
        others = [job for job in all_jobs(client) if job["id"] not in ended]
        for job in others:  # brought by a client that was not told of it any more
            places.end_of(client, job["id"])
        assert len(others) <= CLIENTS
        for job_id in ledger.canceled:
            assert ended[job_id]["status"] == "canceled", ended[job_id]
        places.check_tidy(site, server, all_jobs(client))
        after = places.end_of(client, places.accepted(places.submit(client, clip)))
        assert after["status"] == "succeeded"
    assert twice_recorded(site) == []
    print(json.dumps(report(site, kills, ended.values())))


def all_jobs(client):
    jobs, link = [], "/v1/jobs?limit=100"
    while link:
        page = client.get(link).json()
        jobs += page["jobs"]
        link = page["links"]["next"]
    return jobs


def twice_recorded(site):
    """Jobs whose end was written down by more than one worker."""
    ends = Counter(
        event["job_id"] for event in site.events if event["event"] == "job_ended" and event.get("recorded")
    )
    return [job_id for job_id, count in ends.items() if count > 1]


def report(site, kills, jobs):
    """What happened, in numbers."""
    return {
        "kills": kills,
        "accepted": len(jobs),
        **Counter(job["status"] for job in jobs),
        "reasons": dict(Counter(job["error"]["code"] for job in jobs if job["error"])),
        "requeued": sum(
            event["event"] == "job_recovered" and event["status"] == "queued" for event in site.events
        ),
    }
