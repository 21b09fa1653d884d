"""Delivery to real https servers."""

import asyncio
import json
import logging
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest
import trustme
from pydantic import SecretStr
from standardwebhooks import Webhook

from app.errors import InvalidRequest, StoreUnavailable
from app.jobs.record import Job, JobInput, JobRequest
from app.webhooks.delivery import Deliverer
from app.webhooks.message import job_message
from tests.webhooks.made_messages import (
    BODY,
    HOST,
    OLD_SECRET,
    SECRET,
    Ledger,
    deliver,
    message,
    settings_with,
)

pytestmark = pytest.mark.usefixtures("trusted", "names")


def test_message_arrives_and_verifies(receive):
    with receive(HOST) as receiver:
        ledger, outcomes = deliver(message(receiver.url(path="/hook?token=1")))
    assert (ledger.done, ledger.failed, outcomes) == (["msg_1"], [], ["delivered"])
    ((path, headers, body),) = receiver.requests
    assert path == "/hook?token=1"
    assert body.decode() == BODY
    assert headers["webhook-id"] == "msg_1"
    assert headers["content-type"] == "application/json"
    Webhook(SECRET).verify(body, headers)


def test_connection_goes_to_the_address_and_speaks_of_the_name(receive):
    with receive(HOST) as receiver:
        deliver(message(receiver.url()))
    assert receiver.names == [HOST]
    assert receiver.requests[0][1]["host"] == f"{HOST}:{receiver.port}"


def test_both_secrets_verify_while_one_is_replaced(receive):
    with receive(HOST) as receiver:
        deliver(message(receiver.url()), secrets=(SecretStr(SECRET), SecretStr(OLD_SECRET)))
    _, headers, body = receiver.requests[0]
    for secret in (SECRET, OLD_SECRET):
        assert Webhook(secret).verify(body, headers) == json.loads(BODY)


def test_receiver_may_be_an_address_with_a_certificate_for_it(receive):
    with receive("127.0.0.1") as receiver:
        ledger, _ = deliver(message(receiver.url("127.0.0.1")))
    assert ledger.done == ["msg_1"]


@pytest.mark.parametrize(
    "names_on_it", [("other.example",), ("127.0.0.1",), ("a.hooks.example", "*.hooks.example")]
)
def test_certificate_for_another_name_is_refused(receive, names_on_it):
    with receive(*names_on_it) as receiver:
        ledger, outcomes = deliver(message(receiver.url()))
    assert receiver.requests == []
    assert ledger.failed[0][2] == "certificate"
    assert outcomes == ["retrying"]


def test_certificate_of_an_unknown_authority_is_refused(receive):
    with receive(HOST, issuer=trustme.CA(key_type=trustme.KeyType.ECDSA)) as receiver:
        ledger, _ = deliver(message(receiver.url()))
    assert receiver.requests == []
    assert ledger.failed[0][2] == "certificate"


def test_proxies_of_the_environment_are_not_used(receive, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with receive(HOST) as receiver:
        ledger, _ = deliver(message(receiver.url()))
    assert ledger.done == ["msg_1"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_not_followed(receive, status):
    with receive(HOST) as target, receive(HOST) as receiver:
        receiver.status, receiver.headers = status, {"location": target.url()}
        ledger, _ = deliver(message(receiver.url()))
    assert len(receiver.requests) == 1
    assert target.requests == []
    assert target.names == []
    assert ledger.failed[0][2] == f"status {status}"


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_success_counts_as_delivered(receive, status):
    with receive(HOST) as receiver:
        receiver.status = status
        ledger, _ = deliver(message(receiver.url()))
    assert ledger.done == ["msg_1"]


def test_failures_are_tried_again_after_growing_times_that_differ(receive):
    """5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, each by up to a tenth more or less."""
    expected = [5, 300, 1800, 7200, 18_000, 36_000, 50_400]
    with receive(HOST) as receiver:
        receiver.status = 500
        delays = [
            [deliver(message(receiver.url(), attempt=attempt))[0].failed[0][1] for attempt in range(1, 8)]
            for _ in range(2)
        ]
    for series in delays:
        assert series == sorted(series)
        assert all(0.9 * e <= delay <= 1.1 * e for delay, e in zip(series, expected, strict=True))
    assert delays[0] != delays[1]


def test_message_is_given_up_after_the_last_attempt(receive):
    with receive(HOST) as receiver:
        receiver.status = 500
        second = deliver(message(receiver.url(), attempt=2), max_attempts=3)
        third = deliver(message(receiver.url(), attempt=3), max_attempts=3)
    assert second[1] == ["retrying"]
    assert third[1] == ["given_up"]
    assert third[0].failed == [("msg_1", None, "status 500")]


def test_as_many_attempts_as_the_settings_allow_have_a_delay(receive):
    with receive(HOST) as receiver:
        receiver.status = 503
        ledger, _ = deliver(message(receiver.url(), attempt=19), max_attempts=20)
    assert ledger.failed[0][1] == pytest.approx(86_400, rel=0.1)


def test_receiver_that_is_gone_is_given_up_at_once(receive):
    with receive(HOST) as receiver:
        receiver.status = 410
        ledger, outcomes = deliver(message(receiver.url()))
    assert ledger.failed == [("msg_1", None, "status 410")]
    assert outcomes == ["given_up"]


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::ffff:127.0.0.1"]])
def test_name_of_a_private_address_is_never_connected_to(receive, names, addresses):
    names[HOST] = addresses
    with receive(HOST) as receiver:
        ledger, outcomes = deliver(message(receiver.url()), allow_private=False)
    assert receiver.names == []
    assert ledger.failed == [("msg_1", None, "not allowed")]
    assert outcomes == ["given_up"]


def test_name_is_resolved_once_and_the_checked_address_is_the_one_connected_to(receive, names, monkeypatch):
    """A name that changes its address after the check (DNS rebinding) gains nothing."""

    def refuse(*arguments, **options):
        raise AssertionError("resolved again")

    with receive(HOST) as receiver:
        real = socket.getaddrinfo
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *a, **k: real(host, *a, **k) if host == "127.0.0.1" else refuse(),
        )
        ledger, _ = deliver(message(receiver.url()))
    assert ledger.done == ["msg_1"]


def test_host_that_is_no_longer_allowed_is_not_called(receive):
    with receive(HOST) as receiver:
        ledger, _ = deliver(message(receiver.url()), allow_hosts=("other.example",))
    assert receiver.names == []
    assert ledger.failed == [("msg_1", None, "not allowed")]


def test_next_address_is_tried_when_one_cannot_be_reached(receive, names):
    names[HOST] = ["127.0.0.2", "127.0.0.1"]  # the receiver listens at the second one only
    with receive(HOST) as receiver:
        ledger, _ = deliver(message(receiver.url()))
    assert ledger.done == ["msg_1"]


@pytest.mark.parametrize("host", ["nowhere.example", "a" * 70 + ".example"])
def test_name_that_does_not_resolve_is_tried_again(host):
    ledger, outcomes = deliver(message(f"https://{host}/"))
    assert ledger.failed[0][2] == "connection"
    assert outcomes == ["retrying"]


def test_closed_port_is_tried_again():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        ledger, _ = deliver(message(f"https://{HOST}:{unused.getsockname()[1]}/"))
    assert ledger.failed[0][2] == "connection"


def test_slow_receiver_costs_the_timeout_and_no_more(receive):
    with receive(HOST) as receiver:
        receiver.pause_s = 3.0
        begun_s = time.monotonic()
        ledger, _ = deliver(message(receiver.url()), timeout_s=0.3)
        took_s = time.monotonic() - begun_s
    assert ledger.failed[0][2] == "timeout"
    assert took_s < 2.5


def test_receiver_that_answers_drop_by_drop_costs_the_timeout_and_no_more(certify):
    """Each drop comes within any limit for a single read; only a limit for all of it helps."""

    async def drip(reader, writer):
        with suppress(OSError):
            while True:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.02)

    async def scenario():
        context = certify(HOST)
        server = await asyncio.start_server(drip, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        ledger = Ledger()
        begun_s = time.monotonic()
        await Deliverer(ledger, settings_with(timeout_s=0.4)).deliver(message(f"https://{HOST}:{port}/"))
        took_s = time.monotonic() - begun_s
        server.close()
        return ledger, took_s

    ledger, took_s = asyncio.run(asyncio.wait_for(scenario(), 20))
    assert ledger.failed[0][2] == "timeout"
    assert 0.3 < took_s < 2


def test_answer_without_an_end_is_not_read(receive):
    with receive(HOST) as receiver:
        receiver.endless = True
        begun_s = time.monotonic()
        ledger, _ = deliver(message(receiver.url()))
    assert ledger.done == ["msg_1"]
    assert time.monotonic() - begun_s < 5


def test_secrets_and_urls_are_not_logged(receive, caplog):
    caplog.set_level(logging.DEBUG)
    with receive(HOST) as receiver:
        url = receiver.url(path="/hook?token=hunter2")
        deliver(message(url))
        receiver.status = 500
        deliver(message(url))
        deliver(message(url), allow_hosts=("other.example",))
    text = "\n".join(
        f"{record.getMessage()} {record.__dict__} {record.exc_text}" for record in caplog.records
    )
    assert text.count("'outcome': ") == 3
    for secret in (SECRET, SECRET[6:], "hunter2"):
        assert secret not in text
    assert SECRET not in repr(settings_with())


def test_broken_secret_is_found_at_the_start():
    with pytest.raises(InvalidRequest):
        Deliverer(Ledger(), settings_with(secrets=(SecretStr("whsec_x"),)))


def _run(ledger, until, **fields):
    async def scenario():
        stop = asyncio.Event()
        running = asyncio.create_task(Deliverer(ledger, settings_with(**fields)).run(stop))
        while not until():
            assert not running.done()
            await asyncio.sleep(0.01)
        stop.set()
        await running

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_all_that_is_due_is_delivered_also_more_than_fit_at_once(receive):
    with receive(HOST) as receiver:
        ledger = Ledger(*(message(receiver.url(), number=number) for number in range(40)))
        _run(ledger, lambda: len(ledger.done) == 40)
    assert len(set(ledger.done)) == 40


def test_slow_receiver_holds_up_no_other(receive):
    with receive(HOST) as slow, receive(HOST) as quick:
        slow.pause_s = 1.5
        slow_ones = [message(slow.url(), number=number) for number in range(3)]
        ledger = Ledger(*slow_ones, message(quick.url(), number=9))
        _run(ledger, lambda: len(ledger.done) == 1)
        assert ledger.done[0] == "msg_9"
    assert len(ledger.done) == 4  # what was under way at the stop was waited for


def test_store_that_fails_for_a_while_ends_nothing(receive):
    class Shaky(Ledger):
        n_calls = 0

        def due_deliveries(self, limit):
            self.n_calls += 1
            if self.n_calls == 1:
                raise StoreUnavailable("the database is locked")
            if self.n_calls == 2:
                raise RuntimeError("unforeseen")
            return super().due_deliveries(limit)

    with receive(HOST) as receiver:
        ledger = Shaky(message(receiver.url()))
        _run(ledger, lambda: ledger.done)
    assert ledger.done == ["msg_1"]


def test_message_tells_which_job_ended_how_and_when():
    job = Job(
        id="job_01J9ZZZZZZZZZZZZZZZZZZZZZZ",
        owner="studio",
        status="failed",
        request=JobRequest(webhook="https://hooks.example/?token=1"),
        input=JobInput(1, "0" * 64, False),
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        finished_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        error={"code": "media_corrupt"},
    )
    assert json.loads(job_message(job)) == {
        "type": "job.failed",
        "timestamp": "2026-01-02T03:04:05Z",
        "data": {"id": "job_01J9ZZZZZZZZZZZZZZZZZZZZZZ", "status": "failed"},
    }
