import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from app.client import WebhookRejected, verify_webhook

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four!").decode()
BODY = json.dumps(
    {
        "type": "job.succeeded",
        "timestamp": "2026-01-02T03:04:05Z",
        "data": {"id": "job_1", "status": "succeeded"},
    }
)


def headers(body=BODY, *, age_s=0.0, secret=SECRET):
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": Webhook(secret).sign("msg_1", at, body),
    }


def test_a_signed_message_is_read():
    message = verify_webhook(headers(), BODY.encode(), SECRET)
    assert (message.type, message.data.id, message.data.status) == ("job.succeeded", "job_1", "succeeded")


def test_one_of_several_signatures_will_do():
    other = headers(secret="whsec_" + base64.b64encode(b"the secret of tomorrow").decode())
    both = {**headers()}
    both["Webhook-Signature"] = f"{other['Webhook-Signature']} {both['Webhook-Signature']}"
    assert verify_webhook(both, BODY.encode(), SECRET).data.id == "job_1"


@pytest.mark.parametrize(
    ("given", "body"),
    [
        (headers(), BODY.replace("job_1", "job_2")),
        (headers(age_s=600), BODY),
        (headers(secret="whsec_" + base64.b64encode(b"some other secret").decode()), BODY),
        ({}, BODY),
        ({**headers(), "Webhook-Signature": "garbage"}, BODY),
        ({**headers(), "Webhook-Signature": "v1,$$$"}, BODY),
        (headers("[]"), "[]"),
        (headers("no json"), "no json"),
    ],
    ids=["changed", "old", "other-secret", "unsigned", "no-version", "no-base64", "no-message", "no-json"],
)
def test_any_other_message_is_rejected(given, body):
    with pytest.raises(WebhookRejected):
        verify_webhook(given, body.encode(), SECRET)


def test_bytes_that_are_no_text_are_rejected():
    with pytest.raises(WebhookRejected):
        verify_webhook(headers(), b"\xff\xfe", SECRET)
