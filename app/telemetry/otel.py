"""Traces by OpenTelemetry. Only to be imported when they are wanted: its SDK is an extra.

The exporter, the sampler and the name of the service are set by OpenTelemetry's own variables (OTEL_*).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.errors import Canceled, EarsightError
from app.telemetry.tracing import Span, Value

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

_QUIET_PATHS = frozenset({"/livez", "/readyz", "/metrics"})
_FAREWELL_S = 3.0  # for the last spans
_W3C = TraceContextTextMapPropagator()


def otlp_exporter() -> SpanExporter:
    """Sends spans over OTLP/HTTP to where OTEL_EXPORTER_OTLP_ENDPOINT says. Raises ImportError."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


class OtelTracing:
    """`Tracing` into an exporter."""

    def __init__(self, exporter: SpanExporter) -> None:
        named = Resource({"service.name": "earsight", "service.version": version("earsight")})
        # The detector reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, which win.
        self._provider = sdk.TracerProvider(
            resource=named.merge(OTELResourceDetector().detect()), shutdown_on_exit=False
        )
        self._provider.add_span_processor(_Discretion())
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("earsight", version("earsight"))

    @property
    def of_requests(self) -> TelemetryConfig:
        return {
            "tracer_provider": self._provider,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
            "exclude": lambda scope: scope.get("path") in _QUIET_PATHS,
        }

    @contextmanager
    def span(self, name: str, **attributes: Value) -> Iterator[Span]:
        with self._open(name, None, SpanKind.INTERNAL, attributes) as span:
            yield span

    @contextmanager
    def job(self, traceparent: str | None, **attributes: Value) -> Iterator[Span]:
        parent = _W3C.extract({} if traceparent is None else {"traceparent": traceparent}, Context())
        with self._open("job", parent, SpanKind.CONSUMER, attributes) as span:
            yield span

    def traceparent(self) -> str | None:
        carrier: dict[str, str] = {}
        _W3C.inject(carrier)
        return carrier.get("traceparent")

    def close(self) -> None:
        # It would try for as long as OTEL_EXPORTER_OTLP_TIMEOUT allows, and a stop must not wait for that.
        sending = threading.Thread(target=self._provider.shutdown, name="last-spans", daemon=True)
        sending.start()
        sending.join(_FAREWELL_S)

    @contextmanager
    def _open(
        self, name: str, parent: Context | None, kind: SpanKind, attributes: dict[str, Value]
    ) -> Iterator[trace.Span]:
        with self._tracer.start_as_current_span(
            name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except EarsightError as error:
                if not isinstance(error, Canceled):
                    span.set_attribute("error.type", error.code)
                    span.set_status(StatusCode.ERROR)
                raise


class _Discretion(sdk.SpanProcessor):
    """Keeps the query out of the spans of requests: the URL of a webhook may hold a secret."""

    def on_start(self, span: sdk.Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - as its base
        if span.attributes is not None and "url.query" in span.attributes:
            span.set_attribute("url.query", "REDACTED")
