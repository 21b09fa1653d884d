"""Signatures of webhooks as in Standard Webhooks 1.0 (standardwebhooks.com)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import SecretStr
from standardwebhooks import Webhook

from app.errors import InvalidRequest

_PREFIX = "whsec_"


def signed_headers(
    message_id: str, body: str, *, timestamp: datetime, secrets: Sequence[SecretStr]
) -> dict[str, str]:
    """The three headers by which the receiver knows that a message is ours, unchanged, and new.

    Args:
        message_id: the same for each attempt, so that the receiver can tell a repeated message.
        timestamp: of this attempt, with a time zone; whole seconds of it are used.
        secrets: each signs, so that one can be replaced without a moment in which messages are refused.

    Raises:
        InvalidRequest: one of the secrets is none.
    """
    utc = timestamp.astimezone(UTC)  # the library takes the figures for UTC whatever the zone is
    signatures = [signer.sign(message_id, utc, body) for signer in signers(secrets)]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(utc.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def signers(secrets: Sequence[SecretStr]) -> list[Webhook]:
    """One for each secret. Raises InvalidRequest, which does not quote them, if there is a broken one."""
    try:
        return [_signer(secret.get_secret_value()) for secret in secrets]
    except ValueError:
        # Without its cause, in whose traceback the secret might be shown.
        raise InvalidRequest(
            "a secret of the webhooks is broken: it must be whsec_ and 24 to 64 bytes in base64",
            setting="EARSIGHT_WEBHOOKS__SECRETS",
        ) from None


def _signer(secret: str) -> Webhook:
    if not secret.startswith(_PREFIX):
        raise ValueError("no prefix")
    key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    if not 24 <= len(key) <= 64:
        raise ValueError("wrong length")
    return Webhook(key)
