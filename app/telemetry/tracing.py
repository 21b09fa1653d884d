"""Traces, if they are wanted. Without them OpenTelemetry's SDK is not even loaded, and a span costs nothing.

The HTTP spans are FastAPI's own; the service adds one for each job and for each of its stages.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

from app.errors import InvalidRequest
from app.settings import TelemetrySettings

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

Value = str | int


class Span(Protocol):
    """Something that takes its time and is told of."""

    def set_attribute(self, key: str, value: Value) -> None: ...


class Tracing(Protocol):
    """Makes spans. Safe to use from any thread."""

    @property
    def of_requests(self) -> TelemetryConfig:
        """What FastAPI is to do with requests."""

    def span(self, name: str, **attributes: Value) -> AbstractContextManager[Span]:
        """The block as a part of the span around it. An error of ours that leaves the block is named by its
        code; Canceled is no error."""

    def job(self, traceparent: str | None, **attributes: Value) -> AbstractContextManager[Span]:
        """The block as work on a job that the request of that `traceparent` brought."""

    def traceparent(self) -> str | None:
        """Of the span around the call (W3C Trace Context); None if there is none."""

    def close(self) -> None:
        """Send what has not been sent, if that goes quickly. Blocks."""


class _NoSpan:
    def set_attribute(self, key: str, value: Value) -> None:
        pass


class NoTracing:
    """Traces nothing."""

    _nothing = nullcontext(_NoSpan())

    @property
    def of_requests(self) -> TelemetryConfig:
        # Else FASTAPI_OTEL_AUTO_CONFIGURE or a provider of somebody else's would switch FastAPI's on.
        return {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}

    def span(self, name: str, **attributes: Value) -> AbstractContextManager[Span]:  # noqa: ARG002 - as Tracing
        return self._nothing

    def job(self, traceparent: str | None, **attributes: Value) -> AbstractContextManager[Span]:  # noqa: ARG002 - as Tracing
        return self._nothing

    def traceparent(self) -> str | None:
        return None

    def close(self) -> None:
        pass


def open_tracing(settings: TelemetrySettings) -> Tracing:
    """What the settings ask for. Raises InvalidRequest if that is tracing and OpenTelemetry is missing."""
    if not settings.tracing:
        return NoTracing()
    try:
        from app.telemetry.otel import OtelTracing, otlp_exporter

        exporter = otlp_exporter()
    except ImportError as error:
        raise InvalidRequest(
            f"tracing is on, but {error.name} is not installed; install 'earsight[otel]'",
            setting="EARSIGHT_TELEMETRY__TRACING",
        ) from error
    return OtelTracing(exporter)
