import builtins
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.errors import InvalidRequest
from app.settings import TelemetrySettings
from app.telemetry.tracing import open_tracing

ROOT = Path(__file__).parents[2]

LOADED = """
import sys
import fastapi  # loads the interface of OpenTelemetry itself
before = set(sys.modules)
from pathlib import Path
from app.api.application import create_app
from app.settings import JobSettings, Settings
create_app(Settings(jobs=JobSettings(directory=Path(sys.argv[1]))))
loaded = set(sys.modules) - before
print([name for name in loaded if name.startswith(("opentelemetry", "app.telemetry.otel"))])
"""


def test_service_that_does_not_trace_loads_nothing_more_of_opentelemetry(tmp_path):
    command = [sys.executable, "-c", LOADED, str(tmp_path)]
    # Even where the environment would have FastAPI set itself up.
    environment = {"FASTAPI_OTEL_AUTO_CONFIGURE": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_tracing_a_span_is_nothing():
    tracing = open_tracing(TelemetrySettings())
    with tracing.job("00-1-2-3", job_id="job_1") as span, tracing.span("probe"):
        span.set_attribute("status", "succeeded")
        assert tracing.traceparent() is None
    assert not any(tracing.of_requests.values())


def test_missing_extra_is_named(monkeypatch):
    original = builtins.__import__

    def without_sdk(name, *arguments, **named):
        if name.startswith("opentelemetry.sdk"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return original(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without_sdk)
    for module in [name for name in sys.modules if name == "app.telemetry.otel"]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(InvalidRequest, match=r"install 'earsight\[otel\]'") as caught:
        open_tracing(TelemetrySettings(tracing=True))
    assert caught.value.setting == "EARSIGHT_TELEMETRY__TRACING"


def test_exporter_takes_its_endpoint_from_the_environment(monkeypatch):
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    from app.telemetry.otel import otlp_exporter

    assert otlp_exporter()._endpoint == "http://collector:4318/v1/traces"
    tracing = open_tracing(TelemetrySettings(tracing=True))
    with tracing.span("one") as span:
        assert span.resource.attributes["service.name"] == "mine"
        assert tracing.traceparent().split("-")[2] == f"{span.context.span_id:016x}"


def test_collector_that_does_not_answer_holds_up_nobody(monkeypatch):
    class Stuck(InMemorySpanExporter):
        def export(self, spans):
            begun.set()
            over.wait(20)
            return super().export(spans)

    begun, over = threading.Event(), threading.Event()
    monkeypatch.setattr("app.telemetry.otel._FAREWELL_S", 0.1)
    monkeypatch.setattr("app.telemetry.otel.otlp_exporter", Stuck)
    tracing = open_tracing(TelemetrySettings(tracing=True))
    with tracing.span("one"):
        pass
    begin_s = time.monotonic()
    tracing.close()
    assert time.monotonic() - begin_s < 5
    assert begun.wait(5)
    over.set()
