"""What FastAPI cannot derive about jobs."""

from __future__ import annotations

from typing import Any

from app.api.job_schemas import JobDocument, JobOptions
from app.api.openapi import problem_response, result_content, upload_body
from app.api.schemas import ResultDocument

Responses = dict[int | str, dict[str, Any]]

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which to ask again, while the job has not ended.",
        "schema": {"type": "integer"},
    }
}
_NOT_FOUND = problem_response("There is no such job, or it is somebody else's.")
_INVALID = problem_response("A parameter is not valid.")
_UNAVAILABLE = problem_response("The store of the jobs cannot be reached; try again after Retry-After.")
_EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "Number of the event."},
        "event": {"type": "string", "enum": ["state", "progress", "partial", "done"]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"type": "object"},
        },
    },
    "required": ["id", "event", "data"],
}

CREATE_BODY = upload_body(JobOptions)

CREATE_RESPONSES: Responses = {
    200: {
        "model": JobDocument,
        "description": "The job that the Idempotency-Key stands for, or one that has ended within `wait`.",
        "headers": _RETRY_AFTER,
    },
    202: {
        "description": "The job was accepted.",
        "headers": {
            "Location": {"description": "Of the job.", "schema": {"type": "string"}},
            **_RETRY_AFTER,
        },
    },
    404: problem_response("There is no such bundle."),
    408: problem_response("The client stopped sending."),
    409: problem_response("The Idempotency-Key is in use right now."),
    413: problem_response("The upload is too large."),
    415: problem_response("The body is not multipart."),
    422: problem_response("The request cannot be used; `code` says why."),
    503: problem_response("Too many jobs are waiting, or they cannot be kept; try again after Retry-After."),
}

LIST_RESPONSES: Responses = {404: _NOT_FOUND, 422: _INVALID, 503: _UNAVAILABLE}
JOB_RESPONSES: Responses = {404: _NOT_FOUND, 422: _INVALID, 503: _UNAVAILABLE}

EVENT_RESPONSES: Responses = {
    200: {
        "description": "Server-sent events.",
        "content": {"text/event-stream": {"itemSchema": _EVENT}},
    },
    204: {"description": "The job has ended and there are no more events."},
    **JOB_RESPONSES,
}

ARTIFACT_RESPONSES: Responses = {
    200: {"description": "The file.", "content": {"*/*": _BINARY}},
    206: {"description": "The part that `Range` asks for.", "content": {"*/*": _BINARY}},
    304: {"description": "The client has it already, as `If-None-Match` says."},
    409: problem_response("The job has not ended, or not well; `code` says which."),
    410: problem_response("The files of the job were removed."),
    416: problem_response("There is no such range in the file."),
    **JOB_RESPONSES,
}

RESULT_RESPONSES: Responses = {
    **ARTIFACT_RESPONSES,
    200: {
        "model": ResultDocument,
        "description": "The result, in the format that `format` or the Accept header asks for.",
        "content": {**result_content(), "application/zip": _BINARY},
    },
    406: problem_response("The job does not make that format."),
}
