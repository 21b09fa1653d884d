"""Real servers that share a cluster, PostgreSQL and S3, and die."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.cluster.conftest import MakePlaces, Nodes, OpenSites
from tests.cluster.site import END_S, until, workers
from tests.fixtures_server import ServerProcess

LONG = {"fps": "30", "formats": "json,npz"}
SHORT = {"fps": "12", "formats": "json,npz"}
ENDED = ("succeeded", "failed", "canceled")

StartServer = Callable[..., ServerProcess]


@pytest.fixture
def start(
    tmp_path: Path, tiny_environment: dict[str, str], nodes: Nodes, make_places: MakePlaces
) -> Iterator[StartServer]:
    """`start(ray_workers=1)` starts a server with these settings of jobs. All share store and artifacts."""
    started: list[ServerProcess] = []
    places = make_places()

    def start_one(**settings: object) -> ServerProcess:
        jobs = {**places, "backend": "ray", "ray_address": nodes.address, "lease_s": 5, "ray_part_s": 2}
        chosen = {f"EARSIGHT_JOBS__{name.upper()}": str(each) for name, each in {**jobs, **settings}.items()}
        started.append(ServerProcess(tmp_path / f"scratch{len(started)}", {**tiny_environment, **chosen}))
        return started[-1]

    yield start_one
    for server in started:
        server.close()
    until(lambda: not workers(), "workers outlive their servers")


def until_ready(server: ServerProcess, count: int) -> None:
    """Wait until it has as many workers."""
    server.wait_for_event("worker_ready", timeout_s=END_S, workers=count)


def submit(client: httpx.Client, clip: Path, request: dict[str, str]) -> str:
    answer = client.post("/v1/jobs", files={"file": ("clip.mp4", clip.read_bytes())}, data=request)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def job_of(client: httpx.Client, job_id: str) -> dict[str, Any]:
    answer = client.get(f"/v1/jobs/{job_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def end_of(client: httpx.Client, job_id: str) -> dict[str, Any]:
    until(lambda: job_of(client, job_id)["status"] in ENDED, "the job does not end")
    return job_of(client, job_id)


def running(client: httpx.Client, clip: Path) -> str:
    """A long job of which some frames are done."""
    job_id = submit(client, clip, LONG)
    until(lambda: job_of(client, job_id)["progress"]["frames_done"], "the job does not run")
    return job_id


def files(client: httpx.Client, job: dict[str, Any]) -> dict[str, bytes]:
    """What the job has made."""
    found = {each["name"]: client.get(each["href"]).content for each in job["artifacts"]}
    for each in job["artifacts"]:
        assert hashlib.sha256(found[each["name"]]).hexdigest() == each["sha256"]
    return found


@pytest.fixture(scope="module")
def expected(open_sites: OpenSites, long_clip: Path, sounding_square: Path) -> dict[str, dict[str, bytes]]:
    """What the long and the short request make in one process."""
    found = {}
    with open_sites() as open_site:
        site = open_site("local")
        for name, clip, request in (("long", long_clip, LONG), ("short", sounding_square, SHORT)):
            options = {"fps": float(request["fps"]), "formats": tuple(request["formats"].split(","))}
            found[name] = site.files(site.end_of(site.submit(clip, owner="anonymous", **options)))
    return found


def test_a_job_of_a_server_that_was_killed_ends_after_the_restart(
    start: StartServer, long_clip: Path, expected: dict[str, dict[str, bytes]]
) -> None:
    server = start()
    until_ready(server, 3)
    with server.client() as client:
        job_id = running(client, long_clip)
    orphans = workers()
    server.process.kill()
    server.process.wait()
    psutil.wait_procs(orphans, timeout=60)
    assert not [each for each in orphans if each.is_running()]
    with start().client() as client:
        job = end_of(client, job_id)
        assert (job["status"], job["attempt"]) == ("succeeded", 2)
        assert files(client, job) == expected["long"]


def test_a_server_that_is_stopped_gives_its_job_back(
    start: StartServer, long_clip: Path, expected: dict[str, dict[str, bytes]]
) -> None:
    server = start(ray_workers=1)
    with server.client() as client:
        job_id = running(client, long_clip)
    server.terminate()
    assert server.wait() == 0
    with start().client() as client:
        job = end_of(client, job_id)
        assert (job["status"], job["attempt"]) == ("succeeded", 1)
        assert files(client, job) == expected["long"]


def test_two_servers_do_each_job_once_and_one_takes_over_from_the_other(
    start: StartServer, long_clip: Path, sounding_square: Path, expected: dict[str, dict[str, bytes]]
) -> None:
    first, second = start(ray_workers=1), start(ray_workers=2)
    until_ready(first, 1)
    until_ready(second, 2)
    with first.client() as client, second.client() as other:
        short = [submit(each, sounding_square, SHORT) for each in (client, other) * 4]
        jobs = [end_of(other, job_id) for job_id in short]
        assert [(job["status"], job["attempt"]) for job in jobs] == [("succeeded", 1)] * 8
        assert all(files(other, job) == expected["short"] for job in jobs)
        ends = [each["job_id"] for each in first.events + second.events if each["event"] == "job_ended"]
        assert Counter(ends) == Counter(short)

        job_id = running(client, long_clip)
        begun = {"event": "job_begun", "job_id": job_id}.items()
        holder = next(
            each for each in (first, second) if any(begun <= event.items() for event in each.events)
        )
        holder.process.kill()
        holder.process.wait()
        job = end_of(client if holder is second else other, job_id)
        assert (job["status"], job["attempt"]) == ("succeeded", 2)
        assert files(client if holder is second else other, job) == expected["long"]
