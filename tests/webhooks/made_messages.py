"""Messages, and a store that holds them."""

from __future__ import annotations

import asyncio

from pydantic import SecretStr

from app.jobs.store import Delivery
from app.settings import WebhookSettings
from app.webhooks.delivery import Deliverer

HOST = "hooks.example"
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "whsec_" + "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
BODY = (
    '{"type":"job.succeeded","timestamp":"2026-01-02T03:04:05Z","data":{"id":"job_1","status":"succeeded"}}'
)


class Ledger:
    """A store of deliveries that notes what it is told."""

    def __init__(self, *due):
        self.due = list(due)
        self.done = []
        self.failed = []

    def due_deliveries(self, limit):
        taken, self.due = self.due[:limit], self.due[limit:]
        return taken

    def delivered(self, delivery_id):
        self.done.append(delivery_id)

    def delivery_failed(self, delivery_id, *, retry_in_s, reason):
        self.failed.append((delivery_id, retry_in_s, reason))


def settings_with(**fields):
    return WebhookSettings(
        **{"secrets": (SecretStr(SECRET),), "allow_private": True, "timeout_s": 5, **fields}
    )


def message(url, *, attempt=1, number=1):
    return Delivery(f"msg_{number}", "job_1", url, BODY, attempt)


def deliver(delivery, **fields):
    """One attempt; gives the ledger and what was counted."""
    ledger, outcomes = Ledger(), []
    asyncio.run(
        asyncio.wait_for(Deliverer(ledger, settings_with(**fields), outcomes.append).deliver(delivery), 20)
    )
    return ledger, outcomes
