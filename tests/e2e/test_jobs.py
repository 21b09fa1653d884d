"""Jobs over real connections: what comes while they run, clients that leave, and shutdown."""

import json
import socket
import time

import pytest

LONG = {"size": (640, 480), "fps": 30, "frames": 1800, "bursts": ((0.0, 60.0),)}


@pytest.fixture(scope="module")
def long_clip(make_clip):
    """A minute that takes some seconds to decode."""
    return make_clip(**LONG)


@pytest.fixture
def clip(make_clip):
    return make_clip(bursts=((0.0, 2.0),))


def submit(client, clip, **options):
    response = client.post("/v1/jobs", files={"file": clip.read_bytes()}, data=options)
    assert response.status_code == 202, response.text
    return response.json()


def get(server, path):
    """A connection on which that was asked for, as the request `leaver`."""
    connection = socket.create_connection((server.host, server.port), timeout=30)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\nX-Request-ID: leaver\r\n\r\n".encode())
    return connection


def until(client, job, *states):
    """The document once the job is in one of the states."""
    end = time.monotonic() + 30
    while True:
        document = client.get(job["links"]["self"]).json()
        if document["status"] in states:
            return document
        assert time.monotonic() < end, document
        time.sleep(0.05)


def test_lines_arrive_while_the_job_runs(server, long_clip):
    with server.client() as client:
        job = submit(client, long_clip, formats="vtt")
        path = f"{job['links']['result']}?format=ndjson"
        while client.get(job["links"]["self"]).json()["progress"]["frames_done"] == 0:
            time.sleep(0.01)
        with client.stream("GET", path) as response:
            assert response.headers["content-type"] == "application/x-ndjson"
            lines = response.iter_lines()
            next(lines)
            assert client.get(job["links"]["self"]).json()["status"] == "running"
            assert 1 + sum(1 for _ in lines) == 60 * 4 + 2
        until(client, job, "succeeded")
        assert client.get(path).status_code == 406, "the job made subtitles only"


def test_events_arrive_while_the_job_runs(server, long_clip):
    with server.client() as client:
        job = submit(client, long_clip, formats="json")
        with client.stream("GET", job["links"]["events"]) as response:
            kinds = [line.removeprefix("event: ") for line in response.iter_lines() if line[:6] == "event:"]
        assert kinds[0] == "state"
        assert "partial" in kinds
        assert kinds[-1] == "done"
        assert client.get(job["links"]["self"]).json()["status"] == "succeeded"


@pytest.mark.parametrize("end", ["/events", "?wait=30"])
def test_client_that_leaves_ends_its_request_and_not_the_job(start_server, clip, end):
    server = start_server(JOBS__WORKERS=0)
    with server.client() as client:
        job = submit(client, clip)
        with get(server, job["links"]["self"] + end):
            time.sleep(0.3)
        begin = time.monotonic()
        server.wait_for_event("request", request_id="leaver")
        assert time.monotonic() - begin < 2
        assert client.get(job["links"]["self"]).json()["status"] == "queued"


def test_client_that_leaves_during_its_upload_leaves_nothing(start_server):
    server = start_server()
    headers = ["Content-Type: multipart/form-data; boundary=x", "Content-Length: 100000"]
    with server.connect(*headers, path="/v1/jobs") as connection:
        connection.sendall(
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + bytes(999)
        )
        uploads = server.jobs / "uploads"
        while not list(uploads.iterdir()):
            time.sleep(0.01)
    end = time.monotonic() + 10
    while list(uploads.iterdir()):
        assert time.monotonic() < end, "the upload is still there"
        time.sleep(0.02)
    assert not list((server.jobs / "artifacts").iterdir())
    with server.client() as client:
        assert client.get("/v1/jobs").json()["jobs"] == []


def test_sigterm_ends_the_events_and_puts_the_job_back(start_server, long_clip):
    server = start_server(SERVER__DRAIN_S=0.2)
    with server.client() as client:
        job = submit(client, long_clip)
        until(client, job, "running")
        with client.stream("GET", job["links"]["events"]) as response:
            lines = response.iter_lines()
            next(lines)
            begin = time.monotonic()
            server.terminate()
            assert "event: done" not in list(lines)
    assert server.wait() == 0
    assert time.monotonic() - begin < 5
    assert server.leftovers() == []
    again = start_server(JOBS__DIRECTORY=server.jobs)
    with again.client() as client:
        document = until(client, job, "succeeded", "failed")
        assert (document["status"], document["attempt"]) == ("succeeded", 1)
        events = client.get(job["links"]["events"]).text
    assert events.count("event: done") == 1
    states = [json.loads(line[6:])["status"] for line in events.splitlines() if '"attempt"' in line]
    assert states == ["queued", "running", "queued", "running", "succeeded", "succeeded"]


def test_sigterm_lets_a_job_end_within_the_drain(start_server, long_clip):
    server = start_server()
    with server.client() as client:
        job = submit(client, long_clip, formats="json")
        until(client, job, "running")
        with client.stream("GET", job["links"]["events"]) as response:
            server.terminate()
            assert "event: done" in list(response.iter_lines())
    assert server.wait() == 0


def test_sigterm_does_not_wait_for_a_long_poll(start_server, clip):
    server = start_server(JOBS__WORKERS=0)
    with server.client() as client:
        job = submit(client, clip)
        with get(server, job["links"]["self"] + "?wait=30") as connection:
            time.sleep(0.2)
            begin = time.monotonic()
            server.terminate()
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
            assert b'"status":"queued"' in answer
    assert server.wait() == 0
    assert time.monotonic() - begin < 4
