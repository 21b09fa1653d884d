"""The synchronous forms: send a clip, get its result in the format of your choice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import FileResponse, Response, StreamingResponse

from app.api import problems
from app.api.analysis import Order
from app.api.gate import Run
from app.api.linefile import LineFile
from app.api.negotiation import choose_format
from app.api.openapi import ANALYSIS_BODY, ANALYSIS_RESPONSES
from app.api.schemas import AnalysisOptions
from app.api.service import Service, service_of
from app.api.upload import Upload, receive_upload
from app.api.workspace import Workspace, open_workspace, unless_gone
from app.errors import InvalidRequest
from app.inference.manifest import Task
from app.results.formats import FORMATS
from app.results.json_writer import to_bytes

router = APIRouter(prefix="/v1", tags=["analysis"])
AnalysisWorkspace = Annotated[Workspace, Depends(open_workspace)]

_OPTIONS = frozenset(AnalysisOptions.model_fields)
_MEDIA_TYPES = {name: entry.media_type for name, entry in FORMATS.items()}
_ATTACHED = frozenset({"npz", "overlay", "coco"})  # what a browser should save rather than show


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
    service = service_of(request.app)
    _options(dict(request.query_params), place="query")
    with service.metrics.stage("upload"):
        upload = await receive_upload(
            request,
            directory=workspace.directory,
            options=_OPTIONS,
            max_bytes=service.settings.limits.max_upload_bytes,
            pause_s=service.settings.server.upload_timeout_s,
        )
    service.metrics.upload_bytes.inc(upload.size_bytes)
    order = await _order(request, service, upload, tasks=tasks)
    if order.format.name == "ndjson":
        return await _stream(request, service, workspace, order=order)
    path = workspace.directory / order.format.file_name
    run = service.gate.submit(partial(service.analyst.write_file, order, path))
    workspace.run = run
    await unless_gone(request, run.result())
    return FileResponse(
        path,
        media_type=order.format.media_type,
        filename=order.format.file_name if order.format.name in _ATTACHED else None,
        headers={"Vary": "Accept", "Accept-Ranges": "none"},  # a POST has no parts to ask for again
    )


async def _order(
    request: Request, service: Service, upload: Upload, *, tasks: tuple[Task, ...] | None
) -> Order:
    query = request.query_params
    twice = sorted(query.keys() & upload.options.keys())
    if twice:
        raise InvalidRequest(f"{', '.join(twice)}: given both in the query and in the form")
    options = _options({**query, **upload.options}, place="form")
    name = choose_format(request.headers.get("accept"), wanted=options.format, media_types=_MEDIA_TYPES)
    bundle = await anyio.to_thread.run_sync(service.registry.get, options.model)
    tasks = tasks or bundle.manifest.tasks
    FORMATS[name].check_tasks(tasks)
    return Order(
        source=upload.file,
        audio=upload.audio,
        bundle=bundle,
        fps=options.fps,
        tasks=tasks,
        target=options.target,
        format=FORMATS[name],
        group_by=options.group_by,
    )


def _options(given: dict[str, str], *, place: str) -> AnalysisOptions:
    """Check options that came as text. Raises RequestValidationError."""
    try:
        return AnalysisOptions.model_validate(given)
    except ValidationError as error:
        entries = [{**entry, "loc": (place, *entry["loc"])} for entry in error.errors(include_url=False)]
        raise RequestValidationError(entries) from error


async def _stream(
    request: Request, service: Service, workspace: Workspace, *, order: Order
) -> StreamingResponse:
    """Answer while the analysis runs. What fails before the first line still gets a status of its own."""
    lines = LineFile(workspace.directory / order.format.file_name)
    run = service.gate.submit(partial(service.analyst.write_lines, order, lines))
    workspace.run = run
    if not await unless_gone(request, lines.begun()):
        await run.result()
    return StreamingResponse(
        _lines(lines, run), media_type=order.format.media_type, headers={"Vary": "Accept"}
    )


async def _lines(lines: LineFile, run: Run[Any]) -> AsyncIterator[bytes]:
    async for block in lines.blocks():
        yield block
    try:
        await run.result()
    except Exception as error:
        yield to_bytes(problems.unexpected_document(error)) + b"\n"
