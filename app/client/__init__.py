"""A typed client of an Earsight server: `from app.client import Earsight`."""

from app.client.asynchronous import AsyncEarsight, AsyncJob
from app.client.documents import JobDocument, JobEvent, ResultDocument, WebhookMessage
from app.client.errors import (
    DownloadCorrupt,
    EarsightApiError,
    EarsightClientError,
    JobFailed,
    Unreachable,
    WaitTimeout,
    WebhookRejected,
)
from app.client.patience import Patience
from app.client.synchronous import Earsight, Job
from app.client.webhooks import verify_webhook

__all__ = [
    "AsyncEarsight",
    "AsyncJob",
    "DownloadCorrupt",
    "Earsight",
    "EarsightApiError",
    "EarsightClientError",
    "Job",
    "JobDocument",
    "JobEvent",
    "JobFailed",
    "Patience",
    "ResultDocument",
    "Unreachable",
    "WaitTimeout",
    "WebhookMessage",
    "WebhookRejected",
    "verify_webhook",
]
