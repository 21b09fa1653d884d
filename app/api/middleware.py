"""The outermost layer of every request: its id, its log line and metrics, and the headers of its answer."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Sequence
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import problems
from app.telemetry.logging import log_ids
from app.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CLIENT_GONE = 499  # nginx's status for a client that left; only ever logged
_QUIET_ROUTES = frozenset({"/livez", "/readyz", "/metrics"})
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def request_id_of(headers: Headers) -> str:
    """The client's `X-Request-ID` if it is well formed, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


class _Answer:
    """Watches what is sent for one request and completes its headers."""

    def __init__(self, send: Send, request_id: str, max_upload_bytes: int) -> None:
        self._send = send
        self._request_id = request_id
        self._max_upload_bytes = max_upload_bytes
        self._replaced = False
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            if message["status"] == 413 and headers.get("content-type", "").startswith("text/plain"):
                await self._send_too_large()
                return
            self.status = message["status"]
            headers["X-Request-ID"] = self._request_id
            for name, value in _SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        elif self._replaced:
            return
        await self._send(message)

    async def _send_too_large(self) -> None:
        """Starlette refuses a large Content-Length in plain text; say the same as a problem."""
        response = problems.error_response(problems.too_large(self._max_upload_bytes))
        start, body = _messages(response.status_code, response.raw_headers, bytes(response.body))
        await self.send(start)
        await self._send(body)
        self._replaced = True


def _messages(
    status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes
) -> tuple[dict[str, Any], dict[str, Any]]:
    return (
        {"type": "http.response.start", "status": status, "headers": list(headers)},
        {"type": "http.response.body", "body": body, "more_body": False},
    )


class RequestMiddleware:
    """Gives each request an id, and turns exceptions that nobody expected into a plain 500 problem."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, max_upload_bytes: int) -> None:
        self.app = app
        self._metrics = metrics
        self._max_upload_bytes = max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin = time.perf_counter()
        request_id = request_id_of(Headers(scope=scope))
        answer = _Answer(send, request_id, self._max_upload_bytes)
        with log_ids(request_id=request_id, job_id=None):
            try:
                await self._run(scope, receive, answer)
            finally:
                self._record(scope, answer.status or _CLIENT_GONE, time.perf_counter() - begin)

    async def _run(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            await self.app(scope, receive, answer.send)
        except ClientDisconnect:
            logger.info("client_gone", extra={"code": "client_gone"})
        except Exception as error:
            document = problems.unexpected_document(error)
            if answer.status is not None:
                raise  # the answer has begun: only closing the connection tells the client
            response = problems.ProblemResponse(document, status_code=500)
            await response(scope, receive, answer.send)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._metrics.http_requests.labels(route, method, status).inc()
        self._metrics.http_request_seconds.labels(route, method).observe(seconds)
        level = logging.DEBUG if route in _QUIET_ROUTES and status < 400 else logging.INFO
        fields = {"route": route, "method": method, "status": status, "ms": round(seconds * 1000, 1)}
        logger.log(level, "request", extra=fields)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
