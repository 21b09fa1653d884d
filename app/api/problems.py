"""Errors as `application/problem+json` (RFC 9457). The only place that knows which status an error has."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from app import errors
from app.telemetry.logging import request_id_var

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5

STATUS: dict[type[errors.EarsightError], int] = {
    errors.InvalidRequest: 422,
    errors.NotFound: 404,
    errors.NotAcceptable: 406,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.RateLimited: 429,
    errors.IdempotencyInProgress: 409,
    errors.ResultNotReady: 409,
    errors.NoResult: 409,
    errors.ResultExpired: 410,
    errors.UploadTooLarge: 413,
    errors.UploadTimeout: 408,
    errors.UnsupportedMedia: 415,
    errors.MediaError: 422,
    errors.InputError: 422,
    errors.Unavailable: 503,
    errors.Canceled: 503,
    errors.EarsightError: 500,
}
"""The nearest class in an error's ancestry decides: `MediaCorrupt` is answered like `MediaError`."""

FRAMEWORK_CODES = {
    400: ("invalid_request", "Invalid request"),
    404: ("not_found", "Not found"),
    405: ("method_not_allowed", "Method not allowed"),
    413: (errors.UploadTooLarge.code, errors.UploadTooLarge.title),
    416: ("range_not_satisfiable", "No such range"),
}
"""Code and title of the answers of the framework itself, by status."""


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE


def status_of(error: errors.EarsightError) -> int:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem_type(code: str) -> str:
    """What identifies a kind of problem, by its code."""
    return f"urn:earsight:problem:{code}"


def problem_document(
    *, status: int, code: str, title: str, detail: str, extra: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The members of a problem; `code` is the stable name of the error, `detail` is for people."""
    return {
        "type": problem_type(code),
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id_var.get(),
        **(extra or {}),
    }


def error_document(error: errors.EarsightError) -> dict[str, Any]:
    """The problem of an error of ours; what went wrong inside the server is not told."""
    status = status_of(error)
    detail = error.detail if status != 500 else "The server failed; its log has the cause."
    extra = {"limit": error.limit, "setting": error.setting}
    return problem_document(
        status=status,
        code=error.code,
        title=error.title,
        detail=detail,
        extra={key: value for key, value in extra.items() if value is not None},
    )


def error_response(error: errors.EarsightError) -> ProblemResponse:
    """The answer for an error of ours, with the headers that its status asks for."""
    status = status_of(error)
    _log(error)
    headers: dict[str, str] = {}
    if status in (429, 503) or error.retry_after_s is not None:
        wait_s = RETRY_AFTER_S if error.retry_after_s is None else error.retry_after_s
        headers["Retry-After"] = str(math.ceil(wait_s))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 406:
        headers["Vary"] = "Accept"
    if status == 408:
        headers["Connection"] = "close"
    return ProblemResponse(error_document(error), status_code=status, headers=headers)


def unexpected_document(error: Exception) -> dict[str, Any]:
    """The problem of any exception, for an answer whose status can no longer be chosen."""
    known = error if isinstance(error, errors.EarsightError) else errors.InternalError("unexpected")
    _log(known, cause=error)
    return error_document(known)


def _log(error: errors.EarsightError, *, cause: Exception | None = None) -> None:
    if status_of(error) == 500:
        logger.error("failure", exc_info=cause or error, extra={"code": error.code})
    else:
        logger.info("refused", extra={"code": error.code, "status": status_of(error)})


def too_large(max_upload_bytes: int) -> errors.UploadTooLarge:
    return errors.UploadTooLarge(
        f"the upload is larger than {max_upload_bytes} bytes",
        limit=max_upload_bytes,
        setting="EARSIGHT_LIMITS__MAX_UPLOAD_BYTES",
    )


def invalid_parameters(failure: RequestValidationError) -> ProblemResponse:
    """The answer for parameters that do not fit, one entry in `errors` for each."""
    entries = [
        {"pointer": "/" + "/".join(str(part) for part in item["loc"]), "detail": item["msg"]}
        for item in failure.errors()
    ]
    # The first part says where it stands, the second is the name; what follows is inside of a list.
    names = ", ".join(sorted({str(item["loc"][:2][-1]) for item in failure.errors()}))
    document = problem_document(
        status=422,
        code=errors.InvalidRequest.code,
        title=errors.InvalidRequest.title,
        detail=f"these parameters are not valid: {names}",
        extra={"errors": entries},
    )
    return ProblemResponse(document, status_code=422)


def _http_response(error: HTTPException, max_upload_bytes: int) -> ProblemResponse:
    if error.status_code == 413:
        return error_response(too_large(max_upload_bytes))
    code, title = FRAMEWORK_CODES.get(error.status_code, ("http_error", "HTTP error"))
    document = problem_document(status=error.status_code, code=code, title=title, detail=str(error.detail))
    return ProblemResponse(document, status_code=error.status_code, headers=error.headers)


def install(app: FastAPI, *, max_upload_bytes: int) -> None:
    """Answer every error of the application as a problem, the framework's own included."""

    async def answer(_: Request, error: Exception) -> ProblemResponse:
        if isinstance(error, errors.EarsightError):
            return error_response(error)
        if isinstance(error, RequestValidationError):
            return invalid_parameters(error)
        if isinstance(error, HTTPException):
            return _http_response(error, max_upload_bytes)
        raise error

    for kind in (errors.EarsightError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)
