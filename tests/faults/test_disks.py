"""Disks that are full or cannot be written to: nothing that was accepted is lost, and all goes on later."""

from __future__ import annotations

import time

import pytest

from tests.faults import site as places
from tests.faults.launcher import Faults

pytestmark = pytest.mark.faults

SLOW = Faults(slow={"app.jobs.analyst:_Teller.tell_frames": 0.5})


def check_refused(client, clip, codes):
    """A job is refused for now, and the server is as quick as ever."""
    answer = places.submit(client, clip)
    assert (answer.status_code, answer.json()["code"] in codes) == (503, True), answer.text
    assert int(answer.headers["retry-after"]) > 0
    places.check_alive(client)


def check_works(site, server, client, clip, others=()):
    """The next job goes well, and nothing is left but the results of it and of the others."""
    job = places.end_of(client, places.accepted(places.submit(client, clip)))
    assert job["status"] == "succeeded"
    places.check_tidy(site, server, [job, *others])


@pytest.mark.parametrize("place", ["JOBS__DIRECTORY", "JOBS__ARTIFACTS_URL"])
def test_a_full_disk_refuses_uploads_until_there_is_room(disk, site, clip, place):
    server = site.start(**{place: disk.path})
    with server.client() as client:
        disk.fill()
        check_refused(client, clip, ["no_space", "store_unavailable"])
        disk.free()
        check_works(site, server, client, clip)


@pytest.mark.parametrize("place", ["JOBS__DIRECTORY", "JOBS__ARTIFACTS_URL", "SCRATCH_DIR"])
def test_a_job_that_runs_while_the_disk_fills_ends_with_a_reason(disk, site, long_clip, clip, place):
    server = site.start(SLOW, **{place: disk.path})
    with server.client() as client:
        job_id = places.accepted(places.submit(client, long_clip))
        places.until("running", client, job_id, stage="analyze")
        disk.fill()
        time.sleep(2)
        places.check_alive(client)
        if place != "JOBS__DIRECTORY":  # else its end cannot be written down either
            assert places.end_of(client, job_id)["error"]["code"] == "no_space"
        disk.free()
        job = places.end_of(client, job_id)
        assert job["status"] == "succeeded" or job["error"]["code"] == "no_space"
        places.check_told_once(client, job)
        check_works(site, server, client, clip, [job])


def test_jobs_that_wait_on_a_full_disk_are_done_when_there_is_room(disk, site, clip):
    server = site.start(JOBS__DIRECTORY=disk.path, JOBS__WORKERS=0)
    with server.client() as client:
        waiting = [places.accepted(places.submit(client, clip)) for _ in range(3)]
        disk.fill()
    site.kill(server)
    disk.free()
    server = site.start(JOBS__DIRECTORY=disk.path)
    disk.fill()
    time.sleep(1)
    disk.free()
    with server.client() as client:
        for job_id in waiting:
            job = places.end_of(client, job_id)
            assert job["status"] == "succeeded" or job["error"]["code"] == "no_space"
            places.check_told_once(client, job)


@pytest.mark.parametrize("place", ["JOBS__ARTIFACTS_URL", "SCRATCH_DIR"])
def test_a_read_only_disk_is_told_of_and_got_over(disk, site, clip, long_clip, place):
    server = site.start(SLOW, **{place: disk.path})
    with server.client() as client:
        job_id = places.accepted(places.submit(client, clip))
        places.end_of(client, job_id)
        disk.forbid_writing()
        answer = places.submit(client, clip)
        if place == "SCRATCH_DIR":  # uploads are received elsewhere, but the work cannot be done
            job = places.end_of(client, places.accepted(answer))
            assert job["error"]["code"] == "store_unavailable"
        else:
            assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        places.check_alive(client)
        assert client.get(f"/v1/jobs/{job_id}/result").status_code == 200
        disk.allow_writing()
        after = places.end_of(client, places.accepted(places.submit(client, clip)))
        assert after["status"] == "succeeded"


def test_a_directory_that_cannot_be_written_to_ends_the_start_with_a_message(disk, site):
    disk.forbid_writing()
    with pytest.raises(AssertionError, match="EARSIGHT_JOBS__DIRECTORY"):
        site.start(JOBS__DIRECTORY=disk.path)
