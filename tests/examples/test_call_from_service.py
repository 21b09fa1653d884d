"""examples/call_from_service.py against a real server."""

from __future__ import annotations

import asyncio
import logging

import httpx
import pytest

from app.client import EarsightApiError, Patience
from examples import call_from_service


@pytest.fixture
def ask(server):
    """`ask(path)` hands a clip to the service, and gives its answer."""

    def send(path):
        async def session():
            app = call_from_service.app
            async with app.router.lifespan_context(app):
                transport = httpx.ASGITransport(app)
                async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                    return await client.post("/clips", files={"clip": path.read_bytes()})

        return asyncio.run(asyncio.wait_for(session(), 60))

    return send


def test_user_learns_which_thing_sounds(ask, sounding_square):
    answer = ask(sounding_square)
    assert answer.status_code == 200
    document = answer.json()
    assert document["sounds"] == "plain"
    first = document["things"][0]
    assert first["sounds"] is True
    assert first["probability"] == max(thing["probability"] for thing in document["things"])


def test_nothing_sounds_in_a_silent_clip(ask, silent_square):
    document = ask(silent_square).json()
    assert document["sounds"] is None
    assert {thing["sounds"] for thing in document["things"]} == {False}


def test_user_learns_what_is_wrong_with_the_clip(ask, bad_clip):
    answer = ask(bad_clip)
    assert (answer.status_code, answer.json()["detail"]) == (422, "The clip is damaged.")


def test_clip_that_is_too_large_is_not_handed_on(ask, sounding_square, monkeypatch):
    monkeypatch.setattr(call_from_service, "MAX_CLIP_BYTES", 100)
    monkeypatch.setenv("EARSIGHT_URL", "http://127.0.0.1:9")
    assert ask(sounding_square).status_code == 413


def test_user_waits_no_longer_than_the_time_limit(ask, sounding_square, monkeypatch):
    monkeypatch.setattr(call_from_service, "TIMEOUT_S", 0.01)
    assert ask(sounding_square).status_code == 504


def test_service_that_is_away_is_no_fault_of_the_user(ask, sounding_square, monkeypatch, caplog):
    monkeypatch.setattr(call_from_service, "PATIENCE", Patience(outage_s=0))
    monkeypatch.setenv("EARSIGHT_URL", "http://127.0.0.1:9")
    answer = ask(sounding_square)
    assert answer.status_code == 503
    assert "Earsight" not in answer.text
    assert "cannot be reached" in caplog.text


def test_what_the_operator_did_wrong_is_logged_and_not_told(
    ask, server, sounding_square, monkeypatch, caplog
):
    caplog.set_level(logging.ERROR)
    monkeypatch.setenv("EARSIGHT_URL", f"{server.url}/nowhere")
    answer = ask(sounding_square)
    assert answer.status_code == 502
    assert "not_found" not in answer.text
    assert "not_found" in caplog.text


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limited"), (503, "overloaded")])
def test_busy_service_is_passed_on_with_the_time_to_come_back(status, code):
    refused = call_from_service.refusal(EarsightApiError("busy", status=status, code=code, retry_after_s=7.0))
    assert (refused.status_code, refused.headers) == (503, {"Retry-After": "7"})
