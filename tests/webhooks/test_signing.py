"""Signatures, checked by the library that receivers use."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError

from app.errors import InvalidRequest
from app.webhooks.signing import signed_headers
from tests.webhooks.made_messages import BODY, OLD_SECRET, SECRET


def _headers(*secrets, timestamp=None, body=BODY):
    stamp = timestamp or datetime.now(UTC)
    return signed_headers("msg_1", body, timestamp=stamp, secrets=[SecretStr(secret) for secret in secrets])


def test_receiver_verifies_the_message():
    assert Webhook(SECRET).verify(BODY, _headers(SECRET))["type"] == "job.succeeded"


def test_signature_is_the_one_of_the_published_example():
    """From the tests of the libraries of Standard Webhooks."""
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        '{"test": 2432232314}',
        timestamp=datetime.fromtimestamp(1614265330, tz=UTC),
        secrets=[SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")],
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_each_secret_signs_so_that_either_receiver_verifies():
    headers = _headers(SECRET, OLD_SECRET)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (SECRET, OLD_SECRET):
        Webhook(secret).verify(BODY, headers)


def test_other_secret_or_body_does_not_verify():
    headers = _headers(SECRET)
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD_SECRET).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY.replace("succeeded", "failed"), headers)


def test_timestamp_of_another_zone_is_the_same_instant():
    stamp = datetime.now(timezone(timedelta(hours=9)))
    headers = _headers(SECRET, timestamp=stamp)
    assert headers == _headers(SECRET, timestamp=stamp.astimezone(UTC))
    Webhook(SECRET).verify(BODY, headers)


@pytest.mark.parametrize(
    "secret",
    ["", "hunter2", "whsec_", "whsec_hunter2", "whsec_hunter2hunter2!!!!", SECRET[6:], "whsec_" + "A" * 92],
)
def test_broken_secret_is_refused_and_not_quoted(secret):
    with pytest.raises(InvalidRequest) as caught:
        _headers(SECRET, secret)
    assert caught.value.setting == "EARSIGHT_WEBHOOKS__SECRETS"
    assert "hunter2" not in caught.value.detail
    assert caught.value.__suppress_context__
