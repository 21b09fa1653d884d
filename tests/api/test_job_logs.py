import asyncio
import io
import json
import logging

import pytest

from app.settings import TelemetrySettings
from app.telemetry.logging import configure_logging
from tests.api.job_steps import Hold, ended, submit


@pytest.fixture
def clip(make_clip):
    return make_clip(bursts=((0.0, 2.0),))


@pytest.fixture
def written():
    """`written()` gives the lines of the log so far."""
    root, stream = logging.getLogger(), io.StringIO()
    before = root.handlers[:], root.level
    configure_logging(TelemetrySettings(log_level="debug"), stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], level = before
    root.setLevel(level)
    logging.getLogger("uvicorn.access").disabled = False


def of_job(lines, job_id):
    """The events that are found by the id of a job, and their lines."""
    found = [line for line in lines if line.get("job_id") == job_id]
    return [line["event"] for line in found], found


def test_all_of_a_job_is_found_by_its_id_from_upload_to_end(play, clip, written):
    async def scenario(client):
        job = await submit(client, clip, headers={"X-Request-ID": "upload-7"})
        await ended(client, job, headers={"X-Request-ID": "look-8"})
        await client.delete(job["links"]["self"], headers={"X-Request-ID": "delete-9"})
        await client.get("/livez")
        return job["id"]

    job_id = play(scenario)
    events, lines = of_job(written(), job_id)
    assert {"job_accepted", "request", "job_begun", "job_ended", "job_deleted"} <= set(events)
    assert [event for event in events if event.startswith("job_") and event != "job_submitted"] == [
        "job_accepted",
        "job_begun",
        "job_ended",
        "job_deleted",
    ]
    by_event = {line["event"]: line for line in lines}
    for event in ("job_accepted", "job_begun", "job_ended"):
        assert by_event[event]["request_id"] == "upload-7", event
    assert [line["request_id"] for line in lines if line["event"] == "request"] == [
        "upload-7",
        "look-8",
        "delete-9",
    ]
    assert by_event["job_begun"]["ms"] >= 0
    assert by_event["job_ended"]["ms"] > 0
    assert (by_event["job_ended"]["status"], by_event["job_ended"]["code"]) == ("succeeded", None)
    assert [line["route"] for line in written() if line.get("route") == "/livez" and "job_id" in line] == []


def test_what_a_room_says_during_a_job_has_the_ids_of_the_job(play, clip, written, monkeypatch):
    from app.jobs.analyst import Analyst

    def fail(*_, **__):
        logging.getLogger("app.somewhere").warning("odd")
        raise RuntimeError("a fault")

    monkeypatch.setattr(Analyst, "analyze", fail)

    async def scenario(client):
        job = await submit(client, clip, headers={"X-Request-ID": "upload-7"})
        return (await ended(client, job))["id"]

    job_id = play(scenario)
    for event in ("odd", "job_failed"):
        (line,) = [line for line in written() if line["event"] == event]
        assert (line["job_id"], line["request_id"]) == (job_id, "upload-7")
    (line,) = [line for line in written() if line["event"] == "job_ended"]
    assert (line["status"], line["code"]) == ("failed", "internal")
    assert sum(line.get("code") == "internal" for line in written()) >= 2


def test_job_that_is_canceled_in_the_queue_has_an_end(play, clip, written, settings, monkeypatch):
    settings = settings.model_copy(update={"jobs": settings.jobs.model_copy(update={"workers": 1})})

    async def scenario(client):
        with Hold().installed(monkeypatch) as hold:
            await submit(client, clip)
            await asyncio.to_thread(hold.begun.acquire, timeout=10)
            job = await submit(client, clip, headers={"X-Request-ID": "upload-7"})
            await client.post(job["links"]["cancel"])
        return job["id"]

    job_id = play(scenario, settings=settings)
    _, lines = of_job(written(), job_id)
    (line,) = [line for line in lines if line["event"] == "job_ended"]
    assert (line["status"], line["attempt"], line["request_id"]) == ("canceled", 0, "upload-7")
    assert line["ms"] >= 0
