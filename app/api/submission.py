"""From an upload to a job that is kept, written down and acknowledged, in that order."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio.to_thread
from fastapi import Request
from starlette.responses import JSONResponse, Response

from app.api.auth import identity_of
from app.api.job_documents import job_document, job_headers, job_path
from app.api.prefer import preferences_of
from app.api.service import Service, service_of
from app.api.upload import Upload, receive_within_limits
from app.api.waiting import wait_for_end
from app.api.workspace import Workspace, unless_gone
from app.errors import InvalidRequest
from app.jobs.checking import checked_request
from app.jobs.intake import Files
from app.jobs.record import Job, JobInput, JobRequest, new_job_id
from app.jobs.store import utc_now
from app.telemetry.logging import job_id_var, request_id_var

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


async def submit_job(
    request: Request,
    workspace: Workspace,
    *,
    fields: frozenset[str],
    read_request: Callable[[Upload], JobRequest],
) -> Response:
    """Receive an upload and make a job of it; or find the job that its Idempotency-Key stands for.

    Args:
        fields: names of the form fields that may come beside the files.
        read_request: says what is asked for, from the options; empty tasks and formats take the defaults.

    Returns the document of the job: 202, or 200 if the job was known before, or if the client prefers to wait
    and the job has ended meanwhile.
    """
    service, owner, key = service_of(request.app), identity_of(request).label, _idempotency_key(request)
    with service.intake.using(owner, key):
        await anyio.to_thread.run_sync(service.intake.check_room, owner, key)
        upload = await receive_within_limits(request, directory=workspace.directory, options=fields)
        brought = _Brought(owner, key, read_request(upload), upload, _traceparent(request, service))
        # In one thread, so that a request that is cancelled leaves all of it or nothing.
        job, replayed = await anyio.to_thread.run_sync(_accept, service, brought)
    job_id_var.set(job.id)
    return await _acknowledge(request, service, job, replayed=replayed)


@dataclass(frozen=True, slots=True)
class _Brought:
    owner: str
    key: str | None
    request: JobRequest
    upload: Upload
    traceparent: str | None


def _accept(service: Service, brought: _Brought) -> tuple[Job, bool]:
    """The job, and whether it was there before."""
    upload = brought.upload
    request = checked_request(brought.request, settings=service.settings, registry=service.registry)
    digests = [_digest(path) for path in (upload.file, upload.audio) if path is not None]
    job = Job(
        id=new_job_id(),
        owner=brought.owner,
        status="queued",
        request=request,
        input=JobInput(upload.size_bytes, digests[0], has_separate_audio=upload.audio is not None),
        created_at=utc_now(),
        request_id=request_id_var.get(),
        traceparent=brought.traceparent,
    )
    accepted = service.intake.accept(
        job,
        Files(upload.file, upload.audio),
        key=brought.key,
        fingerprint=_fingerprint(brought.request, digests),
    )
    return accepted, accepted.id != job.id


async def _acknowledge(request: Request, service: Service, job: Job, *, replayed: bool) -> Response:
    preferences = preferences_of(request.headers)
    if preferences.wait_s is not None:
        job = await unless_gone(request, wait_for_end(service, job, wait_s=preferences.wait_s))
    return JSONResponse(
        job_document(job).model_dump(mode="json"),
        status_code=200 if replayed or job.ended else 202,
        headers={
            "Location": job_path(job.id),
            **job_headers(job),
            **preferences.applied,
            **({"Idempotency-Replayed": "true"} if replayed else {}),
        },
    )


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidRequest("an Idempotency-Key has 1 to 255 visible ASCII characters")
    return key


def _traceparent(request: Request, service: Service) -> str | None:
    """Of the span of this request; without tracing, what the client sent."""
    own = service.tracing.traceparent()
    if own is not None:
        return own
    given = request.headers.get("traceparent", "")
    return given if _TRACEPARENT.fullmatch(given) else None


def _fingerprint(request: JobRequest, digests: list[str]) -> str:
    """Equal for the same options and files."""
    text = json.dumps([asdict(request), digests], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
