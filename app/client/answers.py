"""Whether an answer is one, whose it is, and whether to ask again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime

import httpx

from app.client.calls import Call, T
from app.client.documents import Problem
from app.client.errors import GATEWAY, EarsightApiError, Unreachable

_PROBLEM = "application/problem+json"
_PASSING = frozenset({404, 408, 425, 429})
"""What a gateway may say below 500 while the server behind it is replaced."""


@contextmanager
def reaching() -> Iterator[None]:
    """Turns the errors of a connection into Unreachable."""
    try:
        yield
    except httpx.TransportError as error:
        raise Unreachable(f"{type(error).__name__}: {error}") from error


@contextmanager
def perhaps_gone() -> Iterator[None]:
    """For a deletion: when its answer was lost, the next one finds nothing any more."""
    try:
        yield
    except EarsightApiError as error:
        if error.code != "not_found":
            raise


def is_good(answer: httpx.Response, call: Call[T]) -> bool:
    """Whether an answer, by its status and type, is one to the call."""
    if answer.status_code == httpx.codes.NO_CONTENT:
        return True
    found = _media_type(answer)
    # Whatever a server sends for a call of no known type, it is no page for people.
    expected = found != "text/html" if call.media_type is None else found == call.media_type
    return answer.is_success and expected


def read(answer: httpx.Response, call: Call[T]) -> T:
    """What the call is for. Raises EarsightApiError."""
    if not is_good(answer, call):
        raise refusal(answer)
    try:
        return call.parse(answer)
    except ValueError as error:
        raise _gateway_error(answer, "the answer is not the document that was asked for") from error


def refusal(answer: httpx.Response) -> EarsightApiError:
    """The error that an answer stands for which is not good."""
    if _media_type(answer) != _PROBLEM:
        return _gateway_error(answer, f"not an answer of Earsight: {_media_type(answer) or 'no type'}")
    try:
        problem = Problem.model_validate_json(answer.content, extra="ignore")
    except ValueError:
        return _gateway_error(answer, "the answer is a problem that cannot be read")
    return EarsightApiError(
        problem.detail,
        status=answer.status_code,
        code=problem.code,
        limit=problem.limit,
        setting=problem.setting,
        request_id=problem.request_id,
        retry_after_s=_retry_after_s(answer),
    )


def worth_repeating(error: BaseException, *, costly: bool) -> bool:
    """Whether the same request may do better in a while.

    Args:
        costly: as in `Call`; then the server is not asked again when it was at work for too long or failed.
    """
    if isinstance(error, Unreachable):
        return not (costly and isinstance(error.__cause__, httpx.ReadTimeout))
    if not isinstance(error, EarsightApiError):
        return False
    if error.code == GATEWAY:
        return error.status >= 500 or error.status < 300 or error.status in _PASSING
    if error.code == "idempotency_in_progress":
        return True
    return error.status in (408, 429) or error.status > 500 or (error.status == 500 and not costly)


def _gateway_error(answer: httpx.Response, detail: str) -> EarsightApiError:
    return EarsightApiError(
        detail,
        status=answer.status_code,
        code=GATEWAY,
        request_id=answer.headers.get("X-Request-ID"),
        retry_after_s=_retry_after_s(answer),
    )


def _media_type(answer: httpx.Response) -> str:
    return str(answer.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def _retry_after_s(answer: httpx.Response) -> float | None:
    """Seconds or a date (RFC 9110, section 10.2.3); None if there is neither."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
