"""What happens to a job, as it happens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.responses import Response

from app.api.auth import require
from app.api.job_openapi import EVENT_RESPONSES
from app.api.openapi import KEY_RESPONSES
from app.api.service import Service, service_of
from app.api.waiting import Quiet, find_job
from app.errors import NotFound, StoreUnavailable
from app.jobs.record import Event

HEARTBEAT_S = 15.0
_RETRY_MS = 2000
_MAX_NUMBER = 2**53

router = APIRouter(
    prefix="/v1/jobs", tags=["jobs"], dependencies=[Depends(require("analyze"))], responses=KEY_RESPONSES
)

Number = Annotated[
    int, Query(ge=0, le=_MAX_NUMBER, description="Number of an event; those after it are told.")
]
LastEventId = Annotated[
    int | None, Header(ge=0, le=_MAX_NUMBER, description="The same, as browsers send it; it wins.")
]


@router.get(
    "/{job_id}/events",
    summary="Follow a job.",
    response_class=Response,
    responses=EVENT_RESPONSES,
)
async def get_events(
    request: Request, job_id: str, after: Number = 0, last_event_id: LastEventId = None
) -> Response:
    """Server-sent events from the first one on: `state`, `progress`, `partial` (how many lines the running
    result has) and, as the last one, `done`. 204 when there is nothing to come."""
    service = service_of(request.app)
    job = await find_job(request, job_id)
    number = after if last_event_id is None else last_event_id
    if job.ended and not await anyio.to_thread.run_sync(service.store.events_after, job_id, number):
        return Response(status_code=204)  # which tells a browser not to come again
    return EventSourceResponse(
        _stream(service, job_id, number),
        headers={"X-Accel-Buffering": "no"},  # nginx would hold it back
    )


async def _stream(service: Service, job_id: str, number: int) -> AsyncIterator[bytes]:
    yield format_sse_event(retry=_RETRY_MS)
    pauses, silence = Quiet(), Quiet()
    while True:
        last = service.stopping.is_set()  # what is known is told all the same
        try:
            events, ended = await anyio.to_thread.run_sync(_look, service, job_id, number)
        except StoreUnavailable:
            events, ended = [], False
        except NotFound:
            return
        for event in events:
            number = event.number
            yield format_sse_event(id=str(number), event=event.kind, data_str=json.dumps(event.data))
            if event.kind == "done":
                return
        if last or (ended and not events):
            return
        if events:
            pauses.end()
            silence.end()
            continue
        if silence.quiet_s >= HEARTBEAT_S:
            silence.end()
            yield format_sse_event(comment="still here")
        await pauses.pause()


def _look(service: Service, job_id: str, number: int) -> tuple[list[Event], bool]:
    """The events after `number`, and whether the job had ended before they were read."""
    ended = service.store.get(job_id, owner=None).ended
    return service.store.events_after(job_id, number), ended
