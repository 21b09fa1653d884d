import av
import numpy as np
import onnxruntime
import pytest

from app.api.readiness import CANARY_MAX_AGE_S, run_canary
from app.api.service import build_service
from app.errors import StoreUnavailable
from app.inference.registry import BundleRegistry
from app.settings import TelemetrySettings


def test_livez_is_ok(ask):
    response = ask("GET", "/livez")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_readyz_proves_an_inference(ask):
    response = ask("GET", "/readyz")
    assert response.status_code == 200
    report = response.json()
    assert report["ready"] is True
    assert set(report["checks"]) == {"accepting", "scratch", "jobs", "inference"}
    assert "tiny" in report["checks"]["inference"]["detail"]


def test_version_names_all_that_shapes_a_result(ask):
    versions = ask("GET", "/version").json()
    assert versions["onnxruntime"] == onnxruntime.__version__
    assert versions["av"] == av.__version__
    assert versions["ffmpeg"]["libavcodec"] == ".".join(map(str, av.library_versions["libavcodec"]))
    assert versions["model"]["name"] == "tiny"
    assert versions["model"]["provider"] == "CPUExecutionProvider"


def test_metrics_name_the_model_and_the_requests(play):
    async def scenario(client):
        await client.get("/livez")
        return await client.get("/metrics")

    response = play(scenario)
    assert response.headers["content-type"].startswith("text/plain")
    assert 'earsight_model_info{name="tiny"' in response.text
    assert 'earsight_http_requests_total{method="GET",route="/livez",status="200"} 1.0' in response.text


def test_metrics_can_be_switched_off(ask, settings):
    settings = settings.model_copy(update={"telemetry": TelemetrySettings(metrics=False)})
    response = ask("GET", "/metrics", settings=settings)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.fixture
def readiness(settings, scratch):
    scratch.mkdir()
    service = build_service(settings, BundleRegistry(settings))
    yield service.readiness
    service.gate.close()
    service.store.close()


def failing(readiness):
    return {check.name for check in readiness.checks() if not check.ok}


def test_nothing_fails_at_first(readiness):
    assert failing(readiness) == set()


def test_draining_is_not_ready(readiness):
    readiness._gate.drain()
    assert failing(readiness) == {"accepting"}


def test_missing_scratch_directory_is_not_ready(readiness, scratch):
    scratch.rmdir()
    assert failing(readiness) == {"scratch"}


def test_missing_directory_for_jobs_is_not_ready(readiness, settings):
    settings.jobs.directory.rename(settings.jobs.directory.with_name("moved"))
    assert "scratch" in failing(readiness)


def test_store_that_does_not_answer_is_not_ready(readiness, monkeypatch):
    def fail():
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(readiness._store, "ping", fail)
    assert failing(readiness) == {"jobs"}


def test_backend_that_does_not_work_is_not_ready(readiness, monkeypatch):
    monkeypatch.setattr(readiness._backend, "ailment", lambda: "these threads have died: job-0")
    assert failing(readiness) == {"jobs"}


def test_model_that_does_not_answer_is_not_ready(readiness, monkeypatch):
    monkeypatch.setattr("app.api.readiness.run_canary", fail)
    assert failing(readiness) == {"inference"}


def test_young_proof_is_enough_and_an_old_one_is_not(readiness, monkeypatch):
    assert failing(readiness) == set()
    monkeypatch.setattr("app.api.readiness.run_canary", fail)
    assert failing(readiness) == set()
    monkeypatch.setattr("app.api.readiness.CANARY_MAX_AGE_S", 0.0)
    assert CANARY_MAX_AGE_S > 0
    assert failing(readiness) == {"inference"}


def test_real_work_counts_as_proof(readiness, monkeypatch):
    readiness.proved(readiness._registry.get())
    monkeypatch.setattr("app.api.readiness.run_canary", fail)
    assert failing(readiness) == set()


def test_work_of_another_bundle_neither_proves_the_default_one_nor_undoes_its_proof(readiness, monkeypatch):
    registry = readiness._registry
    readiness.proved(registry.get("tiny-small"))
    monkeypatch.setattr("app.api.readiness.run_canary", fail)
    assert failing(readiness) == {"inference"}
    readiness.proved(registry.get("tiny"))
    readiness.proved(registry.get("tiny-small"))
    assert failing(readiness) == set()


def test_proof_of_a_bundle_does_not_stand_for_its_successor(readiness, monkeypatch):
    assert failing(readiness) == set()
    readiness._registry.reload()
    monkeypatch.setattr("app.api.readiness.run_canary", fail)
    assert failing(readiness) == {"inference"}


def test_canary_refuses_values_that_are_no_probabilities(tiny_bundle, monkeypatch):
    run_canary(tiny_bundle)

    def localize(self, tokens, class_map, events, embedding):
        return np.full((1, 4, 4), np.nan, np.float32), np.zeros(1, np.float32)

    monkeypatch.setattr(type(tiny_bundle), "localize", localize)
    with pytest.raises(RuntimeError, match="canary"):
        run_canary(tiny_bundle)


def fail(bundle):
    raise RuntimeError("no answer")
