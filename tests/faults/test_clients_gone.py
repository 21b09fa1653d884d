"""Clients that leave in the middle of something leave nothing behind."""

from __future__ import annotations

import socket
import time

import psutil
import pytest

from tests.faults import site as places
from tests.faults.launcher import Faults

pytestmark = pytest.mark.faults

SLOW = Faults(slow={"app.jobs.analyst:_Teller.tell_frames": 0.5})


def connections_of(server):
    connections = psutil.Process(server.process.pid).net_connections("tcp")
    return [each for each in connections if each.status != psutil.CONN_LISTEN]


def check_forgotten(server, *, within_s=10.0):
    """The server holds no connection any more."""
    deadline_s = time.monotonic() + within_s
    while connections_of(server):
        assert time.monotonic() < deadline_s, connections_of(server)
        time.sleep(0.05)


@pytest.fixture
def running(site, long_clip):
    """A server, and the id of a job that runs for some seconds."""
    server = site.start(SLOW)
    with server.client() as client:
        job_id = places.accepted(places.submit(client, long_clip))
        places.until("running", client, job_id, stage="analyze")
        deadline_s = time.monotonic() + 20
        while client.get(f"/v1/jobs/{job_id}").json()["progress"]["frames_done"] == 0:
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
    return server, job_id


@pytest.mark.parametrize("path", ["?wait=30", "/events", "/result?format=ndjson"])
def test_whoever_stops_listening_to_a_job_is_forgotten_and_the_job_goes_on(site, running, path):
    server, job_id = running
    for _ in range(5):
        with socket.create_connection((server.host, server.port), timeout=30) as connection:
            connection.sendall(f"GET /v1/jobs/{job_id}{path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
            if path != "?wait=30":
                assert connection.recv(1000).startswith(b"HTTP/1.1 200")
            time.sleep(0.2)
    check_forgotten(server)
    with server.client() as client:
        job = places.end_of(client, job_id)
        assert (job["status"], job["attempt"]) == ("succeeded", 1)
        places.check_told_once(client, job)
        places.check_tidy(site, server, [job])


def test_whoever_leaves_during_an_upload_or_a_download_leaves_nothing(site, clip, long_clip):
    server = site.start()
    headers = ["Content-Type: multipart/form-data; boundary=x", f"Content-Length: {10 * len(long_clip)}"]
    for _ in range(5):
        with server.connect(*headers, path="/v1/jobs") as connection:
            head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            connection.sendall(head + long_clip)
    with server.client() as client:
        assert client.get("/v1/jobs").json()["jobs"] == []
        job = places.end_of(client, places.accepted(places.submit(client, clip, formats="json,npz,overlay")))
        for path in ("result?format=overlay", "result?format=zip", "artifacts/overlay.mp4"):
            with client.stream("GET", f"/v1/jobs/{job['id']}/{path}") as answer:
                assert answer.status_code == 200
                next(answer.iter_raw(100))
    check_forgotten(server)
    with server.client() as client:
        places.check_told_once(client, job)
    places.check_tidy(site, server, [job])
