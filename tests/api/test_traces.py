import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.settings import TelemetrySettings
from tests.api.job_steps import ended, submit, upload

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "upload-7"}


@pytest.fixture
def clip(make_clip):
    return make_clip(bursts=((0.0, 2.0),))


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"telemetry": TelemetrySettings(tracing=True)})


@pytest.fixture
def spans(play, monkeypatch):
    """`spans(scenario)` plays it and gives what it returns, and the spans by name."""
    exporter = InMemorySpanExporter()
    monkeypatch.setattr("app.telemetry.otel.otlp_exporter", lambda: exporter)

    def run(scenario):
        answer = play(scenario)
        found = {}
        for span in exporter.get_finished_spans():
            found.setdefault(span.name, []).append(span)
        return answer, found

    return run


def hexadecimal(number):
    return f"{number:016x}"


def test_stages_of_a_job_are_in_the_trace_of_the_request_that_brought_it(spans, clip):
    async def scenario(client):
        job = await submit(client, clip, data={"formats": "json,vtt"}, headers=HEADERS)
        return await ended(client, job)

    job, found = spans(scenario)
    (request,), (work,) = found["POST /v1/jobs"], found["job"]
    assert f"{request.context.trace_id:032x}" == TRACE
    assert hexadecimal(request.parent.span_id) == PARENT
    assert (work.context.trace_id, work.parent.span_id) == (
        request.context.trace_id,
        request.context.span_id,
    )
    assert dict(work.attributes) == {
        "earsight.job_id": job["id"],
        "earsight.request_id": "upload-7",
        "earsight.status": "succeeded",
    }
    stages = [span for name in ("probe", "analyze", "encode") for span in found[name]]
    assert [span.name for span in stages] == ["probe", "analyze", "encode", "encode"]
    assert {span.parent.span_id for span in stages} == {work.context.span_id}
    assert [span.attributes["format"] for span in found["encode"]] == ["json", "vtt"]
    probe, analyze = stages[:2]
    assert work.start_time <= probe.start_time <= probe.end_time <= analyze.start_time <= work.end_time


def test_stages_of_an_answer_at_once_are_parts_of_the_request(spans, clip):
    _, found = spans(lambda client: client.post("/v1/localize", files=upload(clip)))
    (request,) = found["POST /v1/localize"]
    assert request.resource.attributes["service.name"] == "earsight"
    assert {span.parent.span_id for name in ("probe", "analyze", "encode") for span in found[name]} == {
        request.context.span_id
    }


def test_span_that_fails_has_the_code_of_its_error(spans, tmp_path):
    (tmp_path / "text.mp4").write_bytes(b"no clip at all")

    async def scenario(client):
        return await ended(client, await submit(client, tmp_path / "text.mp4"))

    job, found = spans(scenario)
    for name in ("probe", "job"):
        assert found[name][0].attributes["error.type"] == job["error"]["code"] == "unsupported_media"
    assert not found["probe"][0].status.is_ok
    assert "analyze" not in found


def test_query_and_probes_are_left_out(spans):
    async def scenario(client):
        await client.get("/livez")
        await client.get("/readyz")
        await client.get("/metrics")
        await client.get("/v1/models?model=https://example.org/secret")

    _, found = spans(scenario)
    ((span,),) = found.values()
    assert span.name == "GET /v1/models"
    assert "secret" not in str(dict(span.attributes))
