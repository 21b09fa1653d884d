import pytest

from app.client import EarsightApiError, JobFailed, Patience, Unreachable, WaitTimeout

ERROR = {
    "type": "urn:earsight:problem:media_corrupt",
    "title": "T",
    "detail": "no frames",
    "code": "media_corrupt",
}


def test_the_server_holds_its_answer_until_the_end(connect, say, clock):
    client, script = connect(say.job(), say.job("running"), say.job("succeeded"))
    assert client.job(say.id).wait().status == "succeeded"
    assert [request.url.params.get("wait") for request in script.requests] == [None, "20", "20"]


def test_progress_is_told_about_once_a_second(connect, say, clock):
    running = say.job("running")
    client, script = connect(say.job(), running, running, say.job("succeeded"))
    told = []
    client.job(say.id).wait(progress=lambda job: told.append((job.status, job.progress.frames_done)))
    assert told == [("running", 4), ("running", 4), ("succeeded", 4)]
    assert script.requests[1].url.params["wait"] == "1"


def test_waiting_goes_on_over_every_kind_of_outage(connect, say, clock):
    client, script = connect(
        say.job(),
        say.job("running"),
        say.reset,
        say.page(502),
        say.page(404),
        say.problem(503, "store_unavailable", headers={"Retry-After": "5"}),
        say.problem(429, "rate_limited"),
        say.job("running"),
        say.job("succeeded"),
    )
    assert client.job(say.id).wait().status == "succeeded"
    assert len(script.requests) == 9


def test_many_short_outages_do_not_add_up(connect, say, clock):
    troubled = [step for _ in range(40) for step in (say.reset, say.reset, say.job("running"))]
    client, _ = connect(say.job(), *troubled, say.job("succeeded"), patience=Patience(outage_s=10.0))
    assert client.job(say.id).wait().status == "succeeded"
    assert sum(clock.slept_s) > 60


def test_only_the_job_itself_says_that_it_failed(connect, say):
    client, _ = connect(say.job(), say.job("failed", error=ERROR))
    with pytest.raises(JobFailed, match="no frames") as caught:
        client.job(say.id).wait()
    assert (caught.value.code, caught.value.job.status) == ("media_corrupt", "failed")


@pytest.mark.parametrize("status", ["canceled", "expired"])
def test_a_job_without_a_result_is_no_success(connect, say, status):
    client, _ = connect(say.job(status))
    with pytest.raises(JobFailed) as caught:
        client.job(say.id).wait()
    assert (caught.value.code, caught.value.detail) == (status, None)


def test_a_job_that_is_not_there_ends_the_waiting(connect, say):
    client, _ = connect(say.job(), say.problem(404, "not_found"))
    with pytest.raises(EarsightApiError, match="not_found"):
        client.job(say.id).wait()


def test_waiting_ends_in_time_and_tells_the_last_state(connect, say, clock):
    client, script = connect(say.job("running"))
    job = client.job(say.id)
    with pytest.raises(WaitTimeout) as caught:
        job.wait(timeout_s=5.0)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.job.status == "running"
    assert sum(clock.slept_s) == pytest.approx(5.0)
    assert script.requests[1].url.params["wait"] == "5"


def test_an_outage_does_not_outlast_the_time_to_wait(connect, say, clock):
    client, _ = connect(say.job(), say.reset)
    job = client.job(say.id)
    with pytest.raises(Unreachable):
        job.wait(timeout_s=5.0)
    assert sum(clock.slept_s) < 5.0
