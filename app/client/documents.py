"""The documents that a client gets to see: the server's own, and those of messages.

Read them with `extra="ignore"`: a newer server may tell more than this client knows.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from app.api.job_schemas import JobArtifact, JobDocument, JobList
from app.api.schemas import Problem, ResultDocument
from app.jobs.record import ENDED, Status

__all__ = [
    "ENDED",
    "JobArtifact",
    "JobDocument",
    "JobEvent",
    "JobList",
    "Problem",
    "ResultDocument",
    "Status",
    "WebhookMessage",
]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class JobEvent(_Document):
    """Something that happened to a job; `number` grows within a job.

    Kinds: `state` (the job in short), `progress`, `partial` (how many lines of the result there are) and
    `done`, the last one.
    """

    number: int
    kind: str
    data: dict[str, Any]


class _EndedJob(_Document):
    id: str
    status: Status


class WebhookMessage(_Document):
    """What a webhook tells; `type` is `job.` and the status."""

    type: str
    timestamp: datetime
    data: _EndedJob
