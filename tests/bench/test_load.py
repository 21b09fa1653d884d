import asyncio
import json
import time

import httpx
import pytest

from app.bench.clients import Client, Clip, Tally
from app.bench.load import Plan, run_load

PLAN = Plan(clients=6, load_s=4.0, single_s=4.0, settle_s=1.5)


def work(answers, *, sync_share=1.0):
    """Let one client bring clips to a service that gives these answers; returns what it counted."""
    given = iter(answers)
    tally = Tally()

    def answer(request):
        if (found := next(given, None)) is None:
            raise httpx.ConnectError("no more answers")
        return found

    async def press():
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://test") as http:
            client = Client(http, [Clip(2.0, b"clip")], tally)
            await client.work(1, until_s=time.monotonic() + 0.3, sync_share=sync_share)

    asyncio.run(press())
    return tally


def job(status, **members):
    links = {"self": "/v1/jobs/1", "result": "/v1/jobs/1/result"}
    return httpx.Response(202, json={"status": status, "links": links, "error": None, **members})


def test_what_is_refused_with_a_time_to_come_again_is_brought_again():
    refusals = [httpx.Response(status, headers={"Retry-After": "0"}) for status in (429, 503, 503)]
    tally = work([*refusals, httpx.Response(200)])
    assert tally.refused == {429: 1, 503: 2}
    assert [length_s for _, length_s in tally.done] == [2.0]


@pytest.mark.parametrize("status", [503, 429, 500, 404])
def test_every_other_refusal_is_an_error(status):
    tally = work([httpx.Response(status)])
    assert tally.errors[str(status)] == 1
    assert tally.done == []


def test_a_job_counts_when_its_result_has_come():
    tally = work([job("queued"), job("running"), job("succeeded"), httpx.Response(200)], sync_share=0.0)
    assert len(tally.done) == 1


def test_a_job_that_fails_is_an_error():
    tally = work([job("queued"), job("failed", error={"code": "internal"})], sync_share=0.0)
    assert tally.errors["job failed: internal"] == 1
    assert tally.done == []


def test_throughput_counts_seconds_of_clips_within_the_time():
    tally = Tally(done=[(0.0, 1.0), (5.0, 2.0), (9.9, 4.0), (10.0, 8.0)])
    assert tally.throughput(0.0, 10.0) == pytest.approx(0.7)


def test_the_service_is_pressed_and_makes_no_error(tiny_settings, tmp_path):
    figures = {figure.name: figure for figure in run_load(tiny_settings, PLAN, json_file=tmp_path / "f.json")}
    assert figures["errors"].value == 0, figures["errors"]
    assert figures["throughput of one client"].value > 0
    assert figures["throughput of 6 clients"].value > 0
    assert figures["/livez, 99th percentile"].value > 0
    assert figures["memory of the server at the end of the load"].value > 20
    written = json.loads((tmp_path / "f.json").read_text())["figures"]
    assert [entry["name"] for entry in written] == list(figures)
    budgets = {entry["name"]: (entry["least"], entry["most"]) for entry in written}
    assert budgets["throughput of many against one"] == (95.0, None)
    assert budgets["growth of the memory"] == (None, 5.0)
