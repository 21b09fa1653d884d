"""Thousands of broken files: each gets an answer that is documented, and the server lives on as it was."""

from __future__ import annotations

import collections
import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import psutil
import pytest

from app import errors
from app.api.schemas import Problem
from tests.fuzz.mutation import Mutant, mutant

FORMATS = ("json", "json", "ndjson", "npz", "overlay")
ROUTES = ("localize", "localize", "jobs")
CODES = {error.code for error in vars(errors).values() if isinstance(error, type)} - {"internal"}
BUSY = {"overloaded", "canceled", "no_space", "store_unavailable"}
SENDERS = 3
WARM_FILES = 500
MOST_GROWTH_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request: the mutant, whether it comes as the sound of a good clip, and what is asked for."""

    number: int
    mutant: Mutant
    as_sound: bool
    route: str
    format: str


@pytest.fixture
def attempts(clips, sounds) -> Iterator[Attempt]:
    def make(number: int) -> Attempt:
        as_sound = number % 4 == 3
        parents = sounds if as_sound else clips
        kind = ROUTES[number // 4 % len(ROUTES)], FORMATS[number // 12 % len(FORMATS)]
        return Attempt(number, mutant(number, parents), as_sound, *kind)

    return map(make, itertools.count())


@pytest.mark.parametrize(
    "count",
    [pytest.param(60, id="60"), pytest.param(5000, marks=[pytest.mark.fuzz, pytest.mark.timeout(3600)])],
)
def test_broken_files_get_documented_answers_and_leave_nothing(server, clips, attempts, count, tmp_path):
    tally: collections.Counter[str] = collections.Counter()
    faults: list[str] = []
    warm_bytes = 0

    def try_one(attempt: Attempt) -> None:
        try:
            tally[_send(server, attempt, clips[0])] += 1
        except (AssertionError, httpx.HTTPError, ValueError) as fault:
            path = tmp_path / f"{attempt.number}.bin"
            path.write_bytes(attempt.mutant.data)
            changes = ", ".join(attempt.mutant.changes)
            faults.append(f"{attempt.number} ({changes}; {attempt.route} {attempt.format}) {path}: {fault!r}")

    with ThreadPoolExecutor(SENDERS) as executor:
        for done, _ in enumerate(executor.map(try_one, itertools.islice(attempts, count))):
            if done == WARM_FILES:
                warm_bytes = server.rss_bytes()
    print(json.dumps(dict(tally.most_common())))
    assert faults == []
    assert tally["200"] >= count // 20  # else nothing but the sniffing was tried
    assert server.process.poll() is None
    assert server.leftovers() == []
    assert _decoders_of(server) == []
    if warm_bytes:
        grown = server.rss_bytes() - warm_bytes
        print(f"resident memory after {WARM_FILES} files: {warm_bytes >> 20} MiB, grown: {grown >> 20} MiB")
        assert grown < MOST_GROWTH_BYTES


def _send(server, attempt: Attempt, good: bytes) -> str:
    """Send the mutant; returns what became of it, in a word. Raises AssertionError for a wrong answer."""
    sent = {"file": (attempt.mutant.name, attempt.mutant.data)}
    if attempt.as_sound:
        sent = {"file": ("good.mp4", good), "audio": (attempt.mutant.name, attempt.mutant.data)}
    with server.client() as client:
        while True:
            if attempt.route == "jobs":
                answer = client.post("/v1/jobs", files=sent, data={"formats": attempt.format, "fps": "2"})
            else:
                query = {"format": attempt.format, "fps": 2}
                answer = client.post("/v1/localize", files=sent, params=query)
            if answer.status_code not in (429, 503):
                break
            _check_problem(answer)
            assert int(answer.headers["Retry-After"]) > 0
            time.sleep(0.2)
        if answer.status_code == 202:
            return _end_of_job(client, answer.json()["links"]["self"])
    if answer.status_code != 200:
        return _check_problem(answer)
    if attempt.format == "ndjson":
        last = json.loads(answer.text.splitlines()[-1])
        if "code" in last:
            assert last["code"] in CODES, last
            return last["code"]
    return "200"


def _check_problem(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json", answer.text[:300]
    problem = Problem.model_validate_json(answer.content)
    assert problem.status == answer.status_code
    assert problem.status < 500 or problem.code in BUSY, problem
    assert problem.code in CODES, problem
    return problem.code


def _end_of_job(client: httpx.Client, link: str) -> str:
    for _ in range(6):
        job = client.get(link, params={"wait": 20}).json()
        if job["status"] in ("succeeded", "failed"):
            assert client.delete(link).status_code == 204
            if job["status"] == "succeeded":
                return "200"
            assert job["error"]["code"] in CODES, job
            return job["error"]["code"]
    raise AssertionError(f"the job does not end: {job}")


def _decoders_of(server) -> list[int]:
    children = psutil.Process(server.process.pid).children(recursive=True)
    return [child.pid for child in children if "app.media.child" in child.cmdline()]
