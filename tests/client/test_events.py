import httpx
import pytest

from app.client import EarsightApiError, JobEvent


def sse(*numbers, done=False):
    """A stream with these events, a heartbeat and a message without an event."""
    blocks = [b": heartbeat\n\n", b"retry: 1000\n\n"]
    blocks += [f'id: {number}\nevent: progress\ndata: {{"n": {number}}}\n\n'.encode() for number in numbers]
    return [*blocks, b"id: 9\nevent: done\ndata: {}\n\n"] if done else blocks


def stream(blocks):
    return httpx.Response(200, content=b"".join(blocks), headers={"Content-Type": "text/event-stream"})


def test_events_are_told_up_to_the_last(connect, say):
    client, script = connect(say.job(), stream([*sse(1, 2, done=True), b"id: 10\nevent: x\ndata: {}\n\n"]))
    assert list(client.job(say.id).events()) == [
        JobEvent(number=1, kind="progress", data={"n": 1}),
        JobEvent(number=2, kind="progress", data={"n": 2}),
        JobEvent(number=9, kind="done", data={}),
    ]
    assert script.requests[1].headers["Accept"] == "text/event-stream"
    assert "Last-Event-ID" not in script.requests[1].headers


def test_a_broken_stream_goes_on_after_the_last_event(connect, say, clock):
    broken = httpx.Response(
        200,
        stream=say.broken(*sse(1, 2), b"id: 3\nevent: pro"),
        headers={"Content-Type": "text/event-stream"},
    )
    client, script = connect(say.job(), broken, say.page(502), stream(sse(3)), stream(sse(4, done=True)))
    assert [event.number for event in client.job(say.id).events()] == [1, 2, 3, 4, 9]
    assert [request.headers.get("Last-Event-ID") for request in script.requests[1:]] == [None, "2", "2", "3"]


def test_events_that_are_known_are_not_asked_for(connect, say):
    client, script = connect(say.job(), stream(sse(done=True)))
    list(client.job(say.id).events(after=7))
    assert script.requests[1].headers["Last-Event-ID"] == "7"


def test_a_refusal_ends_the_events(connect, say):
    client, _ = connect(say.job(), say.problem(404, "not_found"))
    with pytest.raises(EarsightApiError, match="not_found"):
        list(client.job(say.id).events())


def test_a_job_of_which_all_is_known_has_no_more_events(connect, say):
    client, script = connect(say.job("succeeded"), httpx.Response(204))
    assert list(client.job(say.id).events(after=9)) == []
    assert len(script.requests) == 2
