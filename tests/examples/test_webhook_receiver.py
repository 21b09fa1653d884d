"""examples/webhook_receiver.py: a real server delivers to it over https."""

from __future__ import annotations

import json
import ssl
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import pytest
import trustme
import uvicorn
from standardwebhooks import Webhook

from app.client import ResultDocument
from examples import webhook_receiver
from tests.webhooks.made_messages import OLD_SECRET, SECRET


def wait_until(holds, timeout_s=20.0):
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def messages():
    return webhook_receiver.query("SELECT job, fetched FROM messages")


def signed(body, message_id="msg_1", secret=SECRET):
    now = datetime.now(UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, now, body),
    }


def body_of(job_id, status="succeeded"):
    data = {"id": job_id, "status": status}
    return json.dumps({"type": f"job.{status}", "timestamp": "2026-01-02T03:04:05Z", "data": data})


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(webhook_receiver, "RESULTS", tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture
def receiving(server, authority, results, tmp_path, monkeypatch):
    """`with receiving() as url` runs the receiver with a certificate for its address."""
    monkeypatch.setenv("EARSIGHT_WEBHOOK_SECRET", SECRET)
    certificate = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "receiver.pem")

    @contextmanager
    def running():
        config = uvicorn.Config(
            webhook_receiver.app, port=0, log_config=None, ws="none", ssl_certfile=tmp_path / "receiver.pem"
        )
        receiver = uvicorn.Server(config)
        thread = threading.Thread(target=receiver.run)
        thread.start()
        try:
            wait_until(lambda: receiver.started)
            port = receiver.servers[0].sockets[0].getsockname()[1]
            yield f"https://127.0.0.1:{port}/earsight"
        finally:
            receiver.should_exit = True
            thread.join()

    return running


@pytest.fixture
def post(authority):
    """`post(url, body, headers)` gives the status, and leaves no connection open to wait for."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return lambda url, body, headers: (
        httpx.post(url, content=body, headers=headers, verify=context, trust_env=False).status_code
    )


def test_result_of_a_job_is_fetched_when_the_server_tells_of_its_end(
    receiving, results, client, sounding_square
):
    with receiving() as url:
        job = client.submit(sounding_square, formats=["json"], webhook=url)
        wait_until((results / f"{job.id}.json").exists)
        wait_until(lambda: messages() == [(job.id, 1)])
    assert ResultDocument.model_validate_json((results / f"{job.id}.json").read_bytes()) == job.result()


def test_job_that_failed_leaves_its_reason_in_the_log(receiving, results, client, bad_clip, caplog):
    with receiving() as url:
        job = client.submit(bad_clip, webhook=url)
        wait_until(lambda: messages() == [(job.id, 1)])
    assert "media_corrupt" in caplog.text
    assert list(results.glob("*.json")) == []


def test_message_that_comes_again_is_not_fetched_again(receiving, results, client, sounding_square, post):
    first, second = (client.submit(sounding_square, formats=["json"]) for _ in range(2))
    first.wait(), second.wait()
    with receiving() as url:
        body = body_of(first.id)
        assert post(url, body, signed(body)) == 204
        wait_until(lambda: messages() == [(first.id, 1)])
        (results / f"{first.id}.json").unlink()
        assert post(url, body, signed(body)) == 204
        body = body_of(second.id)
        assert post(url, body, signed(body, "msg_2")) == 204
        wait_until((results / f"{second.id}.json").exists)  # it comes after what came before
    assert not (results / f"{first.id}.json").exists()


def test_message_from_before_the_start_is_fetched(receiving, results, client, sounding_square):
    job = client.submit(sounding_square, formats=["json"])
    job.wait()
    webhook_receiver.make_database()
    webhook_receiver.query("INSERT INTO messages (id, job) VALUES ('msg_1', ?)", job.id)
    with receiving():
        wait_until(lambda: messages() == [(job.id, 1)])
    assert json.loads((results / f"{job.id}.json").read_text())["schema"] == "earsight.result/1"


def test_message_of_a_job_that_was_removed_is_done_with(receiving, results, post):
    with receiving() as url:
        body = body_of("job_01J9ZZZZZZZZZZZZZZZZZZZZZZ")
        assert post(url, body, signed(body)) == 204
        wait_until(lambda: [fetched for _, fetched in messages()] == [1])


def test_message_of_somebody_else_is_refused(receiving, results, post):
    body = body_of("job_01J9ZZZZZZZZZZZZZZZZZZZZZZ")
    with receiving() as url:
        assert post(url, body, signed(body, secret=OLD_SECRET)) == 400
        assert post(url, body, {}) == 400
        assert post(url, body + " ", signed(body)) == 400
        assert post(url, bytes(65_537), signed(body)) == 413
        assert post(url, iter([b"x"]), signed(body)) == 413  # no length is told
    assert messages() == []
