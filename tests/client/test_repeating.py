"""Which failures are tried again, how often, and after how long."""

import time
from email.utils import formatdate

import httpx
import pytest

from app.client import EarsightApiError, Patience, Unreachable


def test_an_error_page_of_a_gateway_is_passed_over(connect, say, clock):
    client, script = connect(say.page(502), say.job())
    assert client.job(say.id).status == "queued"
    assert len(script.requests) == 2
    assert 0.5 <= clock.slept_s[0] <= 1.0


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<h1>Log in to the network</h1>"),
        httpx.Response(200, json={"message": "maintenance"}),
        httpx.Response(200, content=b'{"id": "job_', headers={"Content-Type": "application/json"}),
        httpx.Response(404, html="<h1>No route</h1>"),
        httpx.Response(503, content=b"", headers={"Content-Type": "application/problem+json"}),
    ],
)
def test_what_no_earsight_server_would_say_is_passed_over(connect, say, answer):
    client, _ = connect(answer, say.job("running"))
    assert client.job(say.id).status == "running"


def test_retry_after_in_seconds_is_obeyed(connect, say, clock):
    client, _ = connect(say.problem(429, "rate_limited", headers={"Retry-After": "7"}), say.job())
    client.job(say.id)
    assert 7.0 <= clock.slept_s[0] <= 7.5


def test_retry_after_as_a_date_is_obeyed(connect, say, clock):
    later = formatdate(time.time() + 90, usegmt=True)
    client, _ = connect(say.page(503, **{"Retry-After": later}), say.job())
    client.job(say.id)
    assert 85 <= clock.slept_s[0] <= 91


def test_retry_after_beyond_all_patience_is_an_error_at_once(connect, say, clock):
    client, script = connect(
        say.problem(429, "rate_limited", headers={"Retry-After": "3600"}, limit=600, setting="EARSIGHT_X")
    )
    with pytest.raises(EarsightApiError, match="rate_limited") as caught:
        client.job(say.id)
    error = caught.value
    assert (error.status, error.code, error.detail) == (429, "rate_limited", "D")
    assert (error.limit, error.setting, error.request_id) == (600, "EARSIGHT_X", "r1")
    assert error.retry_after_s == 3600
    assert clock.slept_s == []
    assert len(script.requests) == 1


def test_pauses_double_up_to_the_longest(connect, say, clock):
    client, _ = connect(*[say.reset] * 9, say.job(), patience=Patience(pause_s=1.0, longest_pause_s=20.0))
    client.job(say.id)
    for pause_s, least_s in zip(clock.slept_s, [1, 2, 4, 8, 16, 20, 20, 20, 20], strict=True):
        assert least_s <= pause_s <= least_s + 1


def test_an_outage_ends_the_patience(connect, say, clock):
    client, script = connect(say.reset, patience=Patience(outage_s=100.0))
    with pytest.raises(Unreachable, match="connection reset"):
        client.job(say.id)
    assert 75 < sum(clock.slept_s) < 100
    assert len(script.requests) > 5


def test_a_clip_is_sent_ten_times_at_most(connect, say, clip):
    client, script = connect(say.page(502))
    with pytest.raises(EarsightApiError, match="gateway") as caught:
        client.localize(clip)
    assert caught.value.status == 502
    assert len(script.requests) == 10


def test_the_time_that_an_upload_takes_does_not_count(connect, say, clip, clock):
    def break_late(_):
        clock.slept_s.append(500.0)
        raise say.reset

    client, script = connect(break_late, break_late, say.job(), patience=Patience(outage_s=100.0))
    assert client.submit(clip).id == say.id
    assert len(script.requests) == 3


def test_an_outage_ends_the_patience_for_uploads_too(connect, say, clip, clock):
    client, script = connect(say.page(503), patience=Patience(outage_s=10.0))
    with pytest.raises(EarsightApiError, match="gateway"):
        client.submit(clip)
    assert sum(clock.slept_s) < 10.0
    assert 3 <= len(script.requests) <= 5


def test_an_analysis_that_takes_too_long_is_not_begun_anew_but_a_submission_is_sent_again(connect, say, clip):
    client, script = connect(httpx.ReadTimeout("silence"), httpx.ReadTimeout("silence"), say.job())
    with pytest.raises(Unreachable, match="silence"):
        client.analyze(clip)
    assert len(script.requests) == 1
    assert client.submit(clip).id == say.id


def test_a_fault_of_the_server_ends_an_analysis_but_not_a_poll(connect, say, clip):
    client, script = connect(say.problem(500, "internal"), say.problem(500, "internal"), say.job())
    with pytest.raises(EarsightApiError, match="internal"):
        client.localize(clip)
    assert len(script.requests) == 1
    assert client.job(say.id).status == "queued"


@pytest.mark.parametrize("status", [401, 403, 404, 406, 409, 413, 415, 422])
def test_a_refusal_of_the_server_is_final(connect, say, status):
    client, script = connect(say.problem(status, "some_code"))
    with pytest.raises(EarsightApiError, match="some_code"):
        client.job(say.id)
    assert len(script.requests) == 1


def test_a_refusal_of_a_gateway_is_final(connect, say, clip):
    client, script = connect(say.page(413))
    with pytest.raises(EarsightApiError) as caught:
        client.submit(clip)
    assert (caught.value.code, caught.value.status) == ("gateway", 413)
    assert len(script.requests) == 1


def test_a_clip_that_is_sent_again_bears_the_same_key(connect, say, clip):
    client, script = connect(say.reset, say.problem(409, "idempotency_in_progress"), say.job())
    assert client.submit(clip).id == say.id
    first, second, third = script.requests
    assert len({request.headers["Idempotency-Key"] for request in script.requests}) == 1
    assert clip.read_bytes() in first.content
    assert clip.read_bytes() in second.content
    assert clip.read_bytes() in third.content


def test_each_submission_has_a_key_of_its_own_unless_the_caller_names_one(connect, say, clip):
    client, script = connect(say.job())
    client.submit(clip)
    client.submit(clip)
    client.submit(clip, idempotency_key="mine")
    keys = [request.headers["Idempotency-Key"] for request in script.requests]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


def test_a_deletion_whose_answer_was_lost_is_done(connect, say):
    client, script = connect(say.job("succeeded"), say.reset, say.problem(404, "not_found"))
    client.job(say.id).delete()
    assert [request.method for request in script.requests] == ["GET", "DELETE", "DELETE"]
