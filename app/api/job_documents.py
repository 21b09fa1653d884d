"""A job as its clients see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from app.api.job_schemas import (
    JobArtifact,
    JobDocument,
    JobError,
    JobInput,
    JobLinks,
    JobList,
    JobListLinks,
    JobProgress,
)
from app.api.problems import problem_type
from app.api.schemas import Model
from app.jobs.record import Job, Status

POLL_S = 1
"""How soon a client should ask again for a job that has not ended, in seconds."""


def job_path(job_id: str) -> str:
    return f"/v1/jobs/{job_id}"


def job_document(job: Job) -> JobDocument:
    path = job_path(job.id)
    return JobDocument(
        id=job.id,
        status=job.status,
        progress=JobProgress.model_validate(job.progress, from_attributes=True),
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        expires_at=job.expires_at,
        attempt=job.attempt,
        tasks=job.request.tasks,
        formats=job.request.formats,
        input=_input(job),
        model=None if job.model is None else Model.model_validate(job.model),
        error=None if job.error is None else _error(job.error),
        artifacts=_artifacts(job),
        links=JobLinks(self=path, events=f"{path}/events", result=f"{path}/result", cancel=f"{path}/cancel"),
    )


def job_headers(job: Job) -> dict[str, str]:
    """When to ask again, unless the job has ended."""
    return {} if job.ended else {"Retry-After": str(POLL_S)}


def job_list(
    jobs: Sequence[Job], *, status: Status | None, before: str | None, limit: int, more: bool
) -> JobList:
    """A page of jobs; `more` says whether there are any before these."""

    def link(cursor: str | None) -> str:
        query = {"status": status, "before": cursor, "limit": limit}
        return "/v1/jobs?" + urlencode({name: value for name, value in query.items() if value is not None})

    links = JobListLinks(self=link(before), next=link(jobs[-1].id) if more else None)
    return JobList(jobs=tuple(map(job_document, jobs)), links=links)


def _input(job: Job) -> JobInput:
    facts: dict[str, Any] = dict.fromkeys(("duration_s", "width", "height", "fps", "has_audio"))
    return JobInput(
        bytes=job.input.size_bytes, sha256=job.input.sha256, **{**facts, **(job.input.facts or {})}
    )


def _error(error: dict[str, Any]) -> JobError:
    return JobError(type=problem_type(error["code"]), **error)


def _artifacts(job: Job) -> tuple[JobArtifact, ...]:
    """None any more once they were removed."""
    if job.status == "expired":
        return ()
    return tuple(
        JobArtifact(
            name=artifact.name,
            media_type=artifact.media_type,
            bytes=artifact.size_bytes,
            sha256=artifact.sha256,
            href=f"{job_path(job.id)}/artifacts/{artifact.name}",
        )
        for artifact in job.artifacts
    )
