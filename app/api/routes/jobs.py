"""Jobs: send a clip now, get its results later."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Query, Request, Response

from app.api.auth import require
from app.api.job_documents import job_document, job_headers, job_list
from app.api.job_openapi import CREATE_BODY, CREATE_RESPONSES, JOB_RESPONSES, LIST_RESPONSES
from app.api.job_schemas import JobDocument, JobList, JobOptions
from app.api.openapi import KEY_RESPONSES
from app.api.options import all_options, query_options
from app.api.prefer import MAX_WAIT_S
from app.api.service import service_of
from app.api.submission import submit_job
from app.api.upload import Upload
from app.api.waiting import check_job_id, find_job, viewer_of, wait_for_end
from app.api.workspace import Workspace, open_job_workspace, unless_gone
from app.jobs.record import JobRequest, Status

router = APIRouter(
    prefix="/v1/jobs", tags=["jobs"], dependencies=[Depends(require("analyze"))], responses=KEY_RESPONSES
)

_OPTIONS = frozenset(JobOptions.model_fields)


@router.post(
    "",
    status_code=202,
    response_model=JobDocument,
    summary="Take in a clip and analyse it later.",
    responses=CREATE_RESPONSES,
    openapi_extra=CREATE_BODY,
)
async def create_job(
    request: Request, workspace: Annotated[Workspace, Depends(open_job_workspace)]
) -> Response:
    """The job is written down before it is acknowledged: it ends, whatever happens to the server."""
    query_options(JobOptions, request)

    def read_request(upload: Upload) -> JobRequest:
        options = all_options(JobOptions, request, upload.options)
        return JobRequest(
            tasks=options.tasks or (),
            model=options.model,
            fps=options.fps,
            target=options.target,
            group_by=options.group_by,
            formats=options.formats or (),
            webhook=options.webhook,
        )

    return await submit_job(request, workspace, fields=_OPTIONS, read_request=read_request)


@router.get("", summary="Your jobs, the newest first.", responses=LIST_RESPONSES)
async def list_jobs(
    request: Request,
    status: Status | None = None,
    before: Annotated[str | None, Query(description="Id of a job; only older ones are listed.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> JobList:
    """A key with the scope admin sees the jobs of all."""
    if before is not None:
        check_job_id(before)
    store, viewer = service_of(request.app).store, viewer_of(request)
    found = await anyio.to_thread.run_sync(
        lambda: store.list(owner=viewer, status=status, before=before, limit=limit + 1)
    )
    return job_list(found[:limit], status=status, before=before, limit=limit, more=len(found) > limit)


@router.get("/{job_id}", summary="What has become of a job?", responses=JOB_RESPONSES)
async def get_job(
    request: Request,
    response: Response,
    job_id: str,
    wait: Annotated[
        float, Query(ge=0, le=MAX_WAIT_S, description="Longest wait for its end, in seconds.")
    ] = 0,
) -> JobDocument:
    job = await find_job(request, job_id)
    if wait:
        waiting = wait_for_end(service_of(request.app), job, wait_s=wait)
        job = await unless_gone(request, waiting)
    response.headers.update(job_headers(job))
    return job_document(job)


@router.post("/{job_id}/cancel", status_code=202, summary="End a job early.", responses=JOB_RESPONSES)
async def cancel_job(request: Request, response: Response, job_id: str) -> JobDocument:
    """One that waits ends at once, one that runs within about a second, and one that has ended stays as it
    is."""
    check_job_id(job_id)
    intake, viewer = service_of(request.app).intake, viewer_of(request)
    job = await anyio.to_thread.run_sync(lambda: intake.cancel(job_id, owner=viewer))
    response.headers.update(job_headers(job))
    return job_document(job)


@router.delete(
    "/{job_id}", status_code=204, summary="Remove a job and all its files.", responses=JOB_RESPONSES
)
async def delete_job(request: Request, job_id: str) -> Response:
    """One that runs is ended. Its Idempotency-Key is forgotten as well."""
    check_job_id(job_id)
    intake, viewer = service_of(request.app).intake, viewer_of(request)
    await anyio.to_thread.run_sync(lambda: intake.delete(job_id, owner=viewer))
    return Response(status_code=204)
