"""For the server that webhooks call: is a message Earsight's?"""

from __future__ import annotations

from collections.abc import Mapping

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from app.client.documents import WebhookMessage
from app.client.errors import WebhookRejected


def verify_webhook(headers: Mapping[str, str], body: bytes, secret: str) -> WebhookMessage:
    """The message, if it is signed with the secret (Standard Webhooks) and at most five minutes old.

    Args:
        headers: of the request, in any letter case.
        body: exactly as it came, not parsed and written again.
        secret: one of `EARSIGHT_WEBHOOKS__SECRETS`, `whsec_...`.

    The same message may come more than once: `webhook-id` in the headers tells which it is.

    Raises:
        WebhookRejected: answer it with 400.
        ValueError: the secret itself is not one.
    """
    webhook = Webhook(secret)
    try:
        webhook.verify(body, dict(headers), json_parse=False)
        return WebhookMessage.model_validate_json(body)
    except (WebhookVerificationError, ValueError) as error:
        raise WebhookRejected(str(error)) from error
