"""What goes wrong in the middle of the work: decode child, inference, clock, receiver of the message."""

from __future__ import annotations

import base64
import http.server
import ssl
import threading
import time
from datetime import datetime, timedelta

import pytest
import trustme

from tests.faults import site as places
from tests.faults.launcher import Faults

pytestmark = pytest.mark.faults

SLOW = Faults(slow={"app.jobs.analyst:_Teller.tell_frames": 0.5})


def decoder_of(server):
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        for child in places.decoders_of(server):
            if "app.media.child" in child.cmdline():
                return child
        time.sleep(0.01)
    raise AssertionError("there is no decode child")


def check_works(site, server, client, clip, others):
    job = places.end_of(client, places.accepted(places.submit(client, clip)))
    assert job["status"] == "succeeded"
    for each in (job, *others):
        places.check_told_once(client, each)
    places.check_tidy(site, server, [job, *others])


@pytest.mark.parametrize(("how", "code"), [("kill", "limits_exceeded"), ("suspend", "decode_timeout")])
def test_a_job_whose_decode_child_is_lost_fails_with_a_reason(site, clip, long_clip, how, code):
    server = site.start(SLOW, DECODE__STALL_S=1)
    with server.client() as client:
        job_id = places.accepted(places.submit(client, long_clip, fps="30"))
        places.until("running", client, job_id, stage="analyze")
        getattr(decoder_of(server), how)()
        job = places.end_of(client, job_id)
        assert (job["status"], job["error"]["code"]) == ("failed", code)
        check_works(site, server, client, clip, [job])


def test_a_job_whose_inference_raises_fails_with_a_reason(site, clip):
    server = site.start(Faults(raise_once="app.telemetry.inference:_WatchedRunner.run"))
    with server.client() as client:
        job = places.end_of(client, places.accepted(places.submit(client, clip)))
        assert (job["status"], job["error"]["code"]) == ("failed", "internal")
        assert "built in" not in job["error"]["detail"]
        server.wait_for_event("job_failed", job_id=job["id"])
        check_works(site, server, client, clip, [job])


def test_a_request_whose_inference_raises_is_answered_and_the_next_one_is_fine(site, clip):
    server = site.start(Faults(raise_once="app.telemetry.inference:_WatchedRunner.run"))
    with server.client() as client:
        answers = [client.post("/v1/localize", files={"file": clip}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [500, 200]
        assert answers[0].json()["code"] == "internal"
        places.check_tidy(site, server, [])


@pytest.mark.parametrize("hours", [1, -1])
def test_jobs_end_once_though_the_clock_is_set(site, clip, long_clip, tmp_path, hours):
    clock = tmp_path / "clock"
    clock.write_text("0")
    server = site.start(Faults(slow=SLOW.slow, clock=str(clock)))
    with server.client() as client:
        jobs = [places.accepted(places.submit(client, long_clip))]
        places.until("running", client, jobs[0], stage="analyze")
        jobs += [places.accepted(places.submit(client, clip)) for _ in range(3)]
        clock.write_text(str(hours * 3600))
        jobs += [places.accepted(places.submit(client, clip)) for _ in range(3)]
        ended = [places.end_of(client, job_id) for job_id in jobs]
        assert [(job["status"], job["attempt"]) for job in ended] == [("succeeded", 1)] * 7
        shift = datetime.fromisoformat(ended[-1]["created_at"]) - datetime.now().astimezone()
        assert abs(shift - timedelta(hours=hours)) < timedelta(minutes=5)  # else nothing was tried
        check_works(site, server, client, clip, ended)


def test_a_lease_of_a_dead_server_ends_though_the_clock_was_set_back(site, long_clip, tmp_path):
    clock = tmp_path / "clock"
    clock.write_text("0")
    server = site.start(Faults(slow=SLOW.slow, clock=str(clock)))
    with server.client() as client:
        job_id = places.accepted(places.submit(client, long_clip))
        places.until("running", client, job_id, stage="analyze")
    site.kill(server)
    clock.write_text("-3600")
    server = site.start(Faults(clock=str(clock)))
    with server.client() as client:
        job = places.end_of(client, job_id)
        assert (job["status"], job["attempt"]) == ("succeeded", 2)
        places.check_told_once(client, job)


class Receiver:
    """An https server that keeps the ids of the messages that it gets."""

    def __init__(self, tls, port=0):
        self.ids = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def _handler(self):
        ids = self.ids

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                ids.append(self.headers["webhook-id"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        return Handler

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def tls(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def test_a_message_waits_for_its_receiver_even_across_a_death(site, clip, tls, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    impatient = Faults(values={"app.webhooks.delivery:_DELAYS_S": [0.5] * 8})
    secret = "whsec_" + base64.b64encode(bytes(range(32))).decode()
    settings = {
        "WEBHOOKS__SECRETS": f'["{secret}"]',
        "WEBHOOKS__ALLOW_PRIVATE": "true",
        "WEBHOOKS__MAX_ATTEMPTS": 20,
    }
    receiver = Receiver(tls)
    receiver.close()  # its port is free now, and nobody answers there
    server = site.start(impatient, **settings)
    with server.client() as client:
        url = f"https://localhost:{receiver.port}/hook"
        job_id = places.accepted(places.submit(client, clip, webhook=url))
        assert places.end_of(client, job_id)["status"] == "succeeded"
        time.sleep(1.5)
        places.check_alive(client)
    site.kill(server)
    receiver = Receiver(tls, receiver.port)
    try:
        site.start(impatient, **settings)
        deadline_s = time.monotonic() + 20
        while not receiver.ids:
            assert time.monotonic() < deadline_s, "the message does not come"
            time.sleep(0.05)
        time.sleep(2)
        assert len(receiver.ids) == 1
    finally:
        receiver.close()
