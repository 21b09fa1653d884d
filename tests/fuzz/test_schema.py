"""Requests made from the OpenAPI document, good ones and bad ones: every answer is as the document says."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from app.auth.key_file import create_key

CONFORMANCE = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
JOB = "job_id"


class Jobs:
    """Ids of jobs that exist, so that not every request is about one that does not."""

    def __init__(self, client: httpx.Client, clip: bytes) -> None:
        self._client = client
        self._clip = clip
        self._turn = itertools.cycle((b"no clip", clip))
        self._known: dict[str, str] = {}

    def pick(self) -> str:
        """Succeeded and failed ones by turns; whoever deletes one does no harm."""
        content = next(self._turn)
        known = self._known.get(content[:4].hex())
        if known is None or self._client.get(f"/v1/jobs/{known}").status_code != 200:
            answer = self._client.post("/v1/jobs", files={"file": content}, headers={"Prefer": "wait=20"})
            assert answer.status_code in (200, 202), answer.text
            known = answer.json()["id"]
            self._known[content[:4].hex()] = known
        return known


@pytest.fixture(params=["without keys", "with a key"])
def client(request, start, tmp_path) -> Iterator[httpx.Client]:
    """Of a server of its own."""
    if request.param == "without keys":
        with start().client() as client:
            yield client
        return
    key, _ = create_key(tmp_path / "keys.json", label="fuzz", scopes=("analyze", "metrics"))
    server = start(AUTH__KEYS_FILE=tmp_path / "keys.json")
    with server.client(headers={"Authorization": f"Bearer {key}"}) as client:
        yield client


@pytest.mark.parametrize(
    "count",
    [pytest.param(4, id="4"), pytest.param(300, marks=[pytest.mark.fuzz, pytest.mark.timeout(3600)])],
)
def test_answers_are_as_the_document_says(client, clips, count):
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    jobs = Jobs(client, clips[0])
    tally: Counter[str] = Counter()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        for mode in GenerationMode:
            _try_operation(
                found.ok(), mode, count=count, jobs=jobs, clip=clips[0], client=client, tally=tally
            )
    print(json.dumps(dict(sorted(tally.items()))))
    assert client.get("/livez").status_code == 200


def _try_operation(
    operation: APIOperation,
    mode: GenerationMode,
    *,
    count: int,
    jobs: Jobs,
    clip: bytes,
    client: httpx.Client,
    tally: Counter[str],
) -> None:
    turn = itertools.count()

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def try_case(case: Case) -> None:
        _make_real(case, next(turn), jobs=jobs, clip=clip)
        answer = case.call(base_url=str(client.base_url), headers=dict(client.headers))
        tally[f"{operation.label} {answer.status_code}"] += 1
        assert answer.status_code < 500 or answer.status_code == 503, case.as_curl_command()
        case.validate_response(answer, checks=CONFORMANCE)

    # An operation that takes no parameter at all has no wrong ones either.
    with suppress(Unsatisfiable):
        try_case()


def _make_real(case: Case, turn: int, *, jobs: Jobs, clip: bytes) -> None:
    """Every other request is about a job that exists, or brings a clip."""
    if turn % 2:
        return
    if case.path_parameters and JOB in case.path_parameters:
        case.path_parameters[JOB] = jobs.pick()
    body: Any = case.body
    if isinstance(body, dict) and "file" in body:
        body["file"] = clip
