import asyncio
import json

import pytest

from tests.api.job_steps import ended, submit


@pytest.fixture
def clip(make_clip):
    return make_clip(bursts=((0.0, 2.0),))


def parsed(text):
    """(number, kind, data) of each event."""
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            events.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return events


def test_events_of_an_ended_job_are_told_from_first_to_last(play, clip):
    async def scenario(client):
        job = await submit(client, clip)
        await ended(client, job)
        return await client.get(job["links"]["events"])

    response = play(scenario)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.text.startswith("retry: 2000\n\n")
    events = parsed(response.text)
    numbers = [number for number, _, _ in events]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 1
    assert events[0][1:] == ("state", {"status": "queued", "attempt": 0})
    assert events[1][1:] == ("state", {"status": "running", "attempt": 1})
    assert events[-1][1:] == ("done", {"status": "succeeded", "attempt": 1})
    assert [kind for _, kind, _ in events] == ["state", "state", "state", "done"]


def test_events_come_while_the_job_runs_and_end_with_it(play, clip, hold):
    async def scenario(client):
        job = await submit(client, clip)
        following = asyncio.ensure_future(client.get(job["links"]["events"]))
        await asyncio.to_thread(hold.begun.acquire, timeout=10)
        await asyncio.sleep(0.3)
        assert not following.done()
        hold.release.set()
        return await following

    kinds = [kind for _, kind, _ in parsed(play(scenario).text)]
    assert "progress" in kinds
    assert kinds[-1] == "done"


@pytest.mark.parametrize("way", ["header", "query", "both"])
def test_replay_goes_on_after_the_event_that_came_last(play, clip, way):
    async def scenario(client):
        job = await submit(client, clip)
        await ended(client, job)
        every = await client.get(job["links"]["events"])
        headers = {"Last-Event-ID": "2"} if way != "query" else {}
        query = {"header": {}, "query": {"after": 2}, "both": {"after": 1}}[way]
        return every, await client.get(job["links"]["events"], params=query, headers=headers)

    every, rest = play(scenario)
    assert parsed(rest.text) == parsed(every.text)[2:]


def test_nothing_is_left_to_tell_after_the_last_event(play, clip):
    async def scenario(client):
        job = await submit(client, clip)
        await ended(client, job)
        last = parsed((await client.get(job["links"]["events"])).text)[-1][0]
        return await client.get(job["links"]["events"], headers={"Last-Event-ID": str(last)})

    response = play(scenario)
    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize("number", ["-1", "x", "1.5", str(2**64)])
def test_a_number_that_cannot_be_one_is_refused(play, clip, number):
    async def scenario(client):
        job = await submit(client, clip)
        return await client.get(job["links"]["events"], headers={"Last-Event-ID": number})

    assert play(scenario).status_code == 422


def test_silence_is_broken_by_comments(play, clip, hold, monkeypatch):
    monkeypatch.setattr("app.api.routes.events.HEARTBEAT_S", 0.2)

    async def scenario(client):
        job = await submit(client, clip)
        following = asyncio.ensure_future(client.get(job["links"]["events"]))
        await asyncio.to_thread(hold.begun.acquire, timeout=10)
        await asyncio.sleep(1)
        hold.release.set()
        return await following

    assert "\n\n: still here\n\n" in play(scenario).text


def test_events_end_when_the_job_is_removed(play, clip, hold):
    async def scenario(client):
        job = await submit(client, clip)
        following = asyncio.ensure_future(client.get(job["links"]["events"]))
        await asyncio.to_thread(hold.begun.acquire, timeout=10)
        await client.delete(job["links"]["self"])
        return await asyncio.wait_for(following, 5)

    assert "event: done" not in play(scenario).text


def test_events_outlast_a_store_that_is_away_for_a_moment(play, clip, hold, monkeypatch):
    from app.errors import StoreUnavailable
    from app.jobs.store import JobStore

    def fail(self, *args, **kwargs):
        raise StoreUnavailable("the database is locked")

    async def scenario(client):
        job = await submit(client, clip)
        following = asyncio.ensure_future(client.get(job["links"]["events"]))
        await asyncio.to_thread(hold.begun.acquire, timeout=10)
        await asyncio.sleep(0.2)
        with monkeypatch.context() as patch:
            patch.setattr(JobStore, "events_after", fail)
            await asyncio.sleep(0.5)
        hold.release.set()
        return await following

    assert parsed(play(scenario).text)[-1][1] == "done"
