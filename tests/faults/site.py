"""A place where servers live and die one after the other, with the jobs that outlive them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.faults.launcher import PROGRAM, VARIABLE, Faults
from tests.fixtures_server import ServerProcess

ENDED = ("succeeded", "failed", "canceled")
END_S = 60.0
ALIVE_S = 0.1
QUICK = {
    # Files without a job are removed within a second, not within a minute and a half.
    "app.jobs.sweeping:_ORPHAN_S": 1.0,
    "app.jobs.sweeping:_EXPIRE_EVERY_S": 0.5,
}


class Site:
    """Attributes:
    directory: of the scratch files and of the jobs, the same for all servers.
    lives: all servers there were.
    decoders: decode children of those that were killed.
    """

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self.directory = directory
        self.lives: list[ServerProcess] = []
        self.decoders: list[psutil.Process] = []
        self._artifacts = directory
        self._environment = {**environment, "EARSIGHT_JOBS__LEASE_S": "1"}

    def start(self, faults: Faults | None = None, **settings: object) -> ServerProcess:
        """Start a server; `JOBS__WORKERS=0` sets EARSIGHT_JOBS__WORKERS."""
        faults = faults or Faults()
        built_in = json.dumps({**asdict(faults), "values": {**QUICK, **faults.values}})
        chosen = {f"EARSIGHT_{name}": str(value) for name, value in settings.items()}
        server = ServerProcess(
            self.directory / "scratch", {**self._environment, **chosen, VARIABLE: built_in}, program=PROGRAM
        )
        server.jobs = Path(str(settings.get("JOBS__DIRECTORY", server.jobs)))
        self._artifacts = Path(str(settings.get("JOBS__ARTIFACTS_URL", server.jobs / "artifacts")))
        self.lives.append(server)
        return server

    @property
    def events(self) -> list[dict[str, Any]]:
        """Log lines of all servers."""
        return [event for server in self.lives for event in server.events]

    def kill(self, server: ServerProcess) -> None:
        """As the kernel does when memory runs out."""
        self.decoders += decoders_of(server)
        server.process.kill()
        server.process.wait()

    def close(self) -> None:
        for server in self.lives:
            server.close()

    def files(self) -> dict[str, set[str]]:
        """Names of the files of each job."""
        found: dict[str, set[str]] = {}
        for path in self._artifacts.glob("job_*"):
            found[path.name] = {str(part.relative_to(path)) for part in path.rglob("*") if part.is_file()}
        return found


def decoders_of(server: ServerProcess) -> list[psutil.Process]:
    """The decode children of a server."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(server.process.pid).children()
    return []


def submit(client: httpx.Client, clip: bytes, *, key: str | None = None, **options: str) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    options = {"formats": "json,npz", "fps": "8", **options}
    return client.post("/v1/jobs", files={"file": ("clip.mp4", clip)}, data=options, headers=headers)


def accepted(answer: httpx.Response) -> str:
    """The id of the job that was accepted."""
    assert answer.status_code in (200, 202), answer.text
    job_id: str = answer.json()["id"]
    return job_id


def end_of(client: httpx.Client, job_id: str, *, within_s: float = END_S) -> dict[str, Any]:
    """The job once it has ended."""
    deadline_s = time.monotonic() + within_s
    while True:
        answer = client.get(f"/v1/jobs/{job_id}", params={"wait": 2})
        assert answer.status_code in (200, 503), answer.text
        if answer.status_code == 200 and answer.json()["status"] in ENDED:
            job: dict[str, Any] = answer.json()
            return job
        assert time.monotonic() < deadline_s, f"the job does not end: {answer.text}"
        time.sleep(0.05)


def check_alive(client: httpx.Client) -> None:
    """The server answers at once, whatever it waits for."""
    seconds = []
    for _ in range(15):
        begin_s = time.perf_counter()
        assert client.get("/livez").status_code == 200
        seconds.append(time.perf_counter() - begin_s)
    # The machine may be shared, so not every sample counts.
    assert statistics.median(seconds) < ALIVE_S


def until(status: str, client: httpx.Client, job_id: str, *, stage: str | None = None) -> dict[str, Any]:
    """The job once it has that status, and that stage."""
    deadline_s = time.monotonic() + END_S
    while True:
        job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
        if job["status"] == status and stage in (None, job["progress"]["stage"]):
            return job
        assert time.monotonic() < deadline_s, f"the job never was {status} {stage}: {job}"
        assert job["status"] not in ENDED, f"the job has ended: {job}"
        time.sleep(0.02)


def sse(lines: Iterator[str]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Number, kind and data of each server-sent event."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name:
            fields[name] = value
        elif "data" in fields:
            yield int(fields["id"]), fields["event"], json.loads(fields["data"])
            fields = {}


def check_told_once(client: httpx.Client, job: dict[str, Any]) -> None:
    """It ended once, its events say so, and its results are what they are said to be."""
    with client.stream("GET", f"/v1/jobs/{job['id']}/events") as answer:
        assert answer.status_code == 200
        told = list(sse(answer.iter_lines()))
    numbers = [number for number, _, _ in told]
    assert numbers == sorted(set(numbers)), told
    assert [kind for _, kind, _ in told if kind == "done"] == ["done"]
    assert told[-1][1] == "done"
    ends = [data["status"] for _, kind, data in told if kind == "state" and data["status"] in ENDED]
    assert ends == [job["status"]]
    assert (job["status"] == "failed") == (job["error"] is not None)
    if job["status"] != "succeeded":
        assert job["artifacts"] == []
    for artifact in job["artifacts"]:
        answer = client.get(artifact["href"])
        assert answer.status_code == 200, answer.text
        assert hashlib.sha256(answer.content).hexdigest() == artifact["sha256"]


def check_tidy(
    site: Site, server: ServerProcess, jobs: list[dict[str, Any]], *, within_s: float = 15.0
) -> None:
    """There is nothing but the results of these jobs, which have ended, and no decode child runs on."""
    expected = {
        job["id"]: {f"out/{each['sha256']}-{each['name']}" for each in job["artifacts"]}
        for job in jobs
        if job["artifacts"]
    }
    deadline_s = time.monotonic() + within_s
    while True:
        files = {job_id: names for job_id, names in site.files().items() if names}
        left = [*server.scratch_entries(), *_uploads(server), *filter(_runs, site.decoders)]
        if (files, left) == (expected, []):
            return
        assert time.monotonic() < deadline_s, f"left: {left}; files: {files}; expected: {expected}"
        time.sleep(0.05)


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _uploads(server: ServerProcess) -> list[str]:
    directory = server.jobs / "uploads"
    return [path.name for path in directory.rglob("*")] if directory.exists() else []
