"""The synchronous forms: send a clip, get its result in the format of your choice."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import anyio.to_thread
from fastapi import APIRouter, Depends, Request
from starlette.responses import FileResponse, Response, StreamingResponse

from app.api import problems
from app.api.artifact_files import ATTACHED, ClosingResponse
from app.api.auth import identity_of, require
from app.api.gate import Run
from app.api.live import begun, blocks
from app.api.negotiation import choose_format
from app.api.openapi import ANALYSIS_BODY, ANALYSIS_RESPONSES, KEY_RESPONSES
from app.api.options import all_options, query_options
from app.api.prefer import preferences_of
from app.api.schemas import AnalysisOptions
from app.api.service import Service, service_of
from app.api.submission import submit_job
from app.api.upload import Upload, receive_within_limits
from app.api.workspace import Workspace, open_workspace, unless_gone
from app.inference.manifest import Task
from app.jobs.analyst import Analyst, Order
from app.jobs.disk import disk_error
from app.jobs.lines import LiveLines
from app.jobs.record import JobRequest
from app.pipeline.options import AnalyzeOptions
from app.results.formats import FORMATS, Format
from app.results.json_writer import to_bytes
from app.telemetry.logging import request_id_var

# The key is asked for before there is a workspace, which depends on free places.
router = APIRouter(
    prefix="/v1", tags=["analysis"], dependencies=[Depends(require("analyze"))], responses=KEY_RESPONSES
)
AnalysisWorkspace = Annotated[Workspace, Depends(open_workspace)]

_OPTIONS = frozenset(AnalysisOptions.model_fields)
_MEDIA_TYPES = {name: entry.media_type for name, entry in FORMATS.items()}


@router.post(
    "/localize",
    summary="Where does the sound come from?",
    response_class=Response,
    responses=ANALYSIS_RESPONSES,
    openapi_extra=ANALYSIS_BODY,
)
async def localize(request: Request, workspace: AnalysisWorkspace) -> Response:
    """A calibrated heatmap per frame, whether the source is in view, and the names of what is heard."""
    return await _answer(request, workspace, tasks=("localize",))


@router.post(
    "/detect",
    summary="Which objects are there, and which of them sound?",
    response_class=Response,
    responses=ANALYSIS_RESPONSES,
    openapi_extra=ANALYSIS_BODY,
)
async def detect(request: Request, workspace: AnalysisWorkspace) -> Response:
    """Boxes and names of the objects in each frame, numbered by track, each with the probability that it is
    a source of what is heard; beside the heatmap that tells this. For bundles that offer the task."""
    return await _answer(request, workspace, tasks=("detect",))


@router.post(
    "/explain",
    summary="What makes the model say so, and when?",
    response_class=Response,
    responses=ANALYSIS_RESPONSES,
    openapi_extra=ANALYSIS_BODY,
)
async def explain(request: Request, workspace: AnalysisWorkspace) -> Response:
    """Which event each stretch of some seconds shows, how much each moment of sound and picture and each
    place speaks for it, how far that can be trusted, and what another sound would change. For bundles that
    offer the task."""
    return await _answer(request, workspace, tasks=("explain",))


@router.post(
    "/analyze",
    summary="Everything the bundle can tell.",
    response_class=Response,
    responses=ANALYSIS_RESPONSES,
    openapi_extra=ANALYSIS_BODY,
)
async def analyze(request: Request, workspace: AnalysisWorkspace) -> Response:
    """All tasks of the bundle on one decode and one encoding."""
    return await _answer(request, workspace, tasks=None)


async def _answer(request: Request, workspace: Workspace, *, tasks: tuple[Task, ...] | None) -> Response:
    query_options(AnalysisOptions, request)
    if preferences_of(request.headers).respond_async:
        return await submit_job(
            request, workspace, fields=_OPTIONS, read_request=partial(_job_request, request, tasks)
        )
    service = service_of(request.app)
    upload = await receive_within_limits(request, directory=workspace.directory, options=_OPTIONS)
    order, format = await _order(request, service, upload, tasks=tasks)
    try:
        if format.name == "ndjson":
            return await _stream(request, service, workspace, order=order)
        path = workspace.directory / format.file_name
        workspace.run = service.gate.submit(partial(_write, service.analyst, order, format, path))
        await unless_gone(request, workspace.run.result())
    except OSError as error:
        raise disk_error(error) from error
    return FileResponse(
        path,
        media_type=format.media_type,
        filename=format.file_name if format.name in ATTACHED else None,
        headers={"Vary": "Accept", "Accept-Ranges": "none"},  # a POST has no parts to ask for again
    )


def _options_and_format(request: Request, upload: Upload) -> tuple[AnalysisOptions, Format]:
    options = all_options(AnalysisOptions, request, upload.options)
    name = choose_format(request.headers.get("accept"), wanted=options.format, media_types=_MEDIA_TYPES)
    return options, FORMATS[name]


def _job_request(request: Request, tasks: tuple[Task, ...] | None, upload: Upload) -> JobRequest:
    """The job that gives what the route would answer with."""
    options, format = _options_and_format(request, upload)
    return JobRequest(
        tasks=tasks or (),
        model=options.model,
        fps=options.fps,
        target=options.target,
        group_by=options.group_by,
        formats=(format.name,),
    )


async def _order(
    request: Request, service: Service, upload: Upload, *, tasks: tuple[Task, ...] | None
) -> tuple[Order, Format]:
    options, format = _options_and_format(request, upload)
    bundle = await anyio.to_thread.run_sync(service.registry.get, options.model)
    tasks = tasks or bundle.manifest.tasks
    format.check_tasks(tasks)
    order = Order(
        source=upload.file,
        audio=upload.audio,
        bundle=bundle,
        options=AnalyzeOptions(
            fps=options.fps, tasks=tasks, target=options.target, group_by=options.group_by
        ),
        owner=identity_of(request).label,
        name=request_id_var.get() or "",
        max_duration_s=service.settings.limits.max_sync_duration_s,
    )
    return order, format


def _write(analyst: Analyst, order: Order, format: Format, path: Path, cancel: threading.Event) -> None:
    result = analyst.analyze(order, cancel)
    analyst.write(result, path, format, order=order, cancel=cancel)


async def _stream(
    request: Request, service: Service, workspace: Workspace, *, order: Order
) -> StreamingResponse:
    """Answer while the analysis runs. What fails before the first line still gets a status of its own."""
    format = FORMATS["ndjson"]
    lines = await anyio.to_thread.run_sync(LiveLines, workspace.directory / format.file_name)
    try:
        run = service.gate.submit(lambda cancel: service.analyst.analyze(order, cancel, lines=lines))
    except BaseException:
        lines.end()
        raise
    workspace.run = run
    run.when_ended(lines.end)
    if not await unless_gone(request, begun(lines)):
        await run.result()
    file = await anyio.to_thread.run_sync(lines.open)
    return ClosingResponse(
        _lines(lines, file, run), file=file, media_type=format.media_type, headers={"Vary": "Accept"}
    )


async def _lines(lines: LiveLines, file: BinaryIO, run: Run[Any]) -> AsyncIterator[bytes]:
    async for block in blocks(lines, file):
        yield block
    try:
        await run.result()
    except Exception as error:
        known = disk_error(error) if isinstance(error, OSError) else error
        yield to_bytes(problems.unexpected_document(known)) + b"\n"
