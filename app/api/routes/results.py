"""What a job has found, in the formats that it made."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.api.artifact_files import ZIP, ZIP_MEDIA_TYPE, ClosingResponse, artifact_response, zip_response
from app.api.auth import require
from app.api.job_documents import POLL_S
from app.api.job_openapi import ARTIFACT_RESPONSES, RESULT_RESPONSES
from app.api.live import job_blocks, no_result
from app.api.negotiation import choose_format
from app.api.openapi import KEY_RESPONSES
from app.api.service import Service, service_of
from app.api.waiting import find_job
from app.errors import NotAcceptable, NotFound, ResultExpired, ResultNotReady
from app.jobs.record import Artifact, Job
from app.results.formats import FORMATS

router = APIRouter(
    prefix="/v1/jobs", tags=["jobs"], dependencies=[Depends(require("analyze"))], responses=KEY_RESPONSES
)


@router.get(
    "/{job_id}/result",
    summary="The result of a job.",
    response_class=Response,
    responses=RESULT_RESPONSES,
)
async def get_result(
    request: Request,
    job_id: str,
    format: Annotated[
        str | None, Query(max_length=32, description="Format of the answer, or zip; wins over Accept.")
    ] = None,
) -> Response:
    """In the format that `format` or the Accept header asks for, one of those that the job made. While it
    runs there are the lines (NDJSON) so far, and then those to come."""
    service = service_of(request.app)
    job = await find_job(request, job_id)
    name = _choose(request, job, format)
    if not job.ended and name == "ndjson":
        return await _lines(service, job)
    _check_succeeded(job)
    if name == ZIP:
        return zip_response(service.artifacts, job)
    artifact = _artifact(job, FORMATS[name].file_name)
    return await artifact_response(request, service.artifacts, job.id, artifact, vary="Accept")


@router.get(
    "/{job_id}/artifacts/{name}",
    summary="A file that a job made.",
    response_class=Response,
    responses=ARTIFACT_RESPONSES,
)
async def get_artifact(request: Request, job_id: str, name: str) -> Response:
    """Whole or, with the header Range, in part."""
    job = await find_job(request, job_id)
    _check_succeeded(job)
    return await artifact_response(request, service_of(request.app).artifacts, job.id, _artifact(job, name))


def _choose(request: Request, job: Job, wanted: str | None) -> str:
    names = [name for name in FORMATS if name in job.request.formats]
    if not job.ended and "ndjson" not in names:  # its lines can be had while it runs
        names.append("ndjson")
    media_types = {name: FORMATS[name].media_type for name in names} | {ZIP: ZIP_MEDIA_TYPE}
    try:
        return choose_format(request.headers.get("accept"), wanted=wanted, media_types=media_types)
    except NotAcceptable as error:
        detail = f"{error.detail}; what a job makes is said by the option `formats` of POST /v1/jobs"
        raise NotAcceptable(detail) from error


def _check_succeeded(job: Job) -> None:
    if not job.ended:
        raise ResultNotReady(f"the job is {job.status}", retry_after_s=POLL_S)
    if job.status == "expired":
        raise ResultExpired("the result was removed, as expires_at said", setting="EARSIGHT_JOBS__KEEP_S")
    if job.status != "succeeded":
        raise no_result(job)


def _artifact(job: Job, name: str) -> Artifact:
    for artifact in job.artifacts:
        if artifact.name == name:
            return artifact
    raise NotFound(f"the job has no such artifact; it has {', '.join(each.name for each in job.artifacts)}")


async def _lines(service: Service, job: Job) -> Response:
    lines = service.backend.lines(job.id)
    try:
        file = None if lines is None else await anyio.to_thread.run_sync(lines.open)
    except FileNotFoundError:  # it has ended just now
        file = None
    if lines is None or file is None:
        raise ResultNotReady(f"the job is {job.status} and has no lines yet", retry_after_s=POLL_S)
    return ClosingResponse(
        job_blocks(service, job, lines, file),
        file=file,
        media_type=FORMATS["ndjson"].media_type,
        headers={"Vary": "Accept"},
    )
