"""The server is killed at one certain point of the way of a job, and started again."""

from __future__ import annotations

import signal
import time

import httpx
import pytest

from tests.faults import site as places
from tests.faults.launcher import Faults, Kill

POINTS = {
    "the upload is there": Kill("app.jobs.intake:Intake.accept"),
    "the files are kept": Kill("app.jobs.artifacts:ArtifactStore.keep_input", "after"),
    "the job is written down": Kill("app.jobs.store:JobStore.add", "after"),
    "a worker has it": Kill("app.jobs.running:JobRunner.run"),
    "the clip is about to be opened": Kill("app.jobs.analyst:Analyst.analyze"),
    "the clip is open": Kill("app.jobs.store:JobStore.note", "after", nth=2),
    "frames are found": Kill("app.jobs.analyst:_Teller.tell_frames", "after"),
    "the first file is about to be written": Kill("app.jobs.analyst:Analyst.write"),
    "the first file is kept": Kill("app.jobs.artifacts:ArtifactStore.put", "after"),
    "all files are kept": Kill("app.jobs.store:JobStore.finish"),
    "the end is written down": Kill("app.jobs.store:JobStore.finish", "after"),
    "the input is removed": Kill("app.jobs.artifacts:ArtifactStore.drop_input", "after"),
}
SHORT = ("the files are kept", "the end is written down")  # in every run of the tests

everywhere = pytest.mark.parametrize(
    "point", [pytest.param(name, marks=[] if name in SHORT else pytest.mark.faults) for name in POINTS]
)


def dead(server, *, within_s=30.0):
    """Wait for the server to die of its fault."""
    assert server.process.wait(within_s) == -signal.SIGKILL


def retry_until_accepted(client, clip, key):
    """What a client does that was not answered: it sends the same again."""
    answer = places.submit(client, clip, key=key)
    return places.accepted(answer)


@everywhere
def test_a_job_survives_the_death_of_the_server(site, clip, point):
    server = site.start(Faults(kill=POINTS[point]))
    told = None
    with server.client() as client:
        try:
            told = places.accepted(places.submit(client, clip, key="one"))
        except httpx.TransportError:
            assert server.process.wait(10) == -signal.SIGKILL
    dead(server)

    server = site.start()
    with server.client() as client:
        again = retry_until_accepted(client, clip, "one")
        assert told in (None, again)
        job = places.end_of(client, again)
        assert job["status"] == "succeeded"
        places.check_told_once(client, job)
        after = places.end_of(client, places.accepted(places.submit(client, clip)))
        assert after["status"] == "succeeded"
        listed = client.get("/v1/jobs", params={"limit": 100}).json()["jobs"]
        assert [entry["id"] for entry in listed] == [after["id"], job["id"]]
        places.check_tidy(site, server, [job, after])


@pytest.mark.faults
def test_an_upload_under_way_leaves_nothing(site, clip):
    server = site.start()
    headers = ["Content-Type: multipart/form-data; boundary=x", "Content-Length: 100000"]
    with server.connect(*headers, path="/v1/jobs") as connection:
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        connection.sendall(head + clip[:1000])
        time.sleep(0.3)
        site.kill(server)
    server = site.start()
    with server.client() as client:
        assert client.get("/v1/jobs").json()["jobs"] == []
    places.check_tidy(site, server, [])


@pytest.mark.faults
def test_jobs_that_wait_are_done_by_the_next_server(site, clip):
    server = site.start(JOBS__WORKERS=0)
    with server.client() as client:
        waiting = [places.accepted(places.submit(client, clip, key=str(number))) for number in range(5)]
    site.kill(server)
    server = site.start()
    with server.client() as client:
        ended = [places.end_of(client, job_id) for job_id in waiting]
        assert [(job["status"], job["attempt"]) for job in ended] == [("succeeded", 1)] * 5
        for job in ended:
            places.check_told_once(client, job)
        places.check_tidy(site, server, ended)


@pytest.mark.faults
def test_a_job_whose_end_was_asked_for_is_canceled_though_the_server_dies(site, long_clip):
    slow = {"app.jobs.analyst:_Teller.tell_frames": 0.5}
    server = site.start(Faults(slow=slow, kill=Kill("app.jobs.store:JobStore.request_cancel", "after")))
    with server.client() as client:
        job_id = places.accepted(places.submit(client, long_clip))
        places.until("running", client, job_id, stage="analyze")
        with pytest.raises(httpx.TransportError):
            client.post(f"/v1/jobs/{job_id}/cancel")
    dead(server)
    server = site.start()
    with server.client() as client:
        job = places.end_of(client, job_id)
        assert (job["status"], job["attempt"]) == ("canceled", 1)
        places.check_told_once(client, job)
        places.check_tidy(site, server, [job])


@pytest.mark.faults
@pytest.mark.parametrize("running", [False, True])
def test_a_job_that_was_deleted_leaves_no_file_though_the_server_dies(site, clip, long_clip, running):
    slow = {"app.jobs.analyst:_Teller.tell_frames": 0.5} if running else {}
    server = site.start(Faults(slow=slow, kill=Kill("app.jobs.store:JobStore.delete", "after")))
    with server.client() as client:
        job_id = places.accepted(places.submit(client, long_clip if running else clip))
        if running:
            places.until("running", client, job_id, stage="analyze")
        else:
            places.end_of(client, job_id)
        with pytest.raises(httpx.TransportError):
            client.delete(f"/v1/jobs/{job_id}")
    dead(server)
    server = site.start()
    with server.client() as client:
        assert client.get(f"/v1/jobs/{job_id}").status_code == 404
        places.check_tidy(site, server, [])


@pytest.mark.faults
def test_a_job_that_kills_every_server_fails_with_a_reason(site, clip):
    deadly = Faults(kill=Kill("app.jobs.analyst:_Teller.tell_frames"))
    server = site.start(deadly)
    with server.client() as client:
        job_id = places.accepted(places.submit(client, clip))
    dead(server)
    for _ in range(2):
        dead(site.start(deadly))
    server = site.start(deadly)
    with server.client() as client:
        job = places.end_of(client, job_id)
        assert (job["status"], job["attempt"], job["error"]["code"]) == ("failed", 3, "worker_lost")
        places.check_told_once(client, job)
        places.check_tidy(site, server, [job])


@pytest.mark.faults
def test_the_death_of_a_server_that_takes_over_changes_nothing(site, clip):
    first = site.start(Faults(kill=Kill("app.jobs.analyst:_Teller.tell_frames")))
    with first.client() as client:
        job_id = places.accepted(places.submit(client, clip))
    dead(first)
    time.sleep(1.2)  # until its lease is over
    with pytest.raises(AssertionError, match="no listening"):
        site.start(Faults(kill=Kill("app.jobs.store:JobStore.recover", "after")))
    server = site.start()
    with server.client() as client:
        job = places.end_of(client, job_id)
        assert (job["status"], job["attempt"]) == ("succeeded", 2)
        places.check_told_once(client, job)
        places.check_tidy(site, server, [job])
