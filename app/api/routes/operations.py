"""What operators and their probes ask: alive, ready, which versions, which figures."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import anyio.to_thread
import av
from fastapi import APIRouter, Depends, Request, Response

from app.api.auth import require
from app.api.figures import figures_of
from app.api.openapi import KEY_RESPONSES
from app.api.problems import RETRY_AFTER_S
from app.api.schemas import CheckResult, Liveness, ReadinessReport, VersionReport
from app.api.service import service_of
from app.errors import NotFound
from app.inference.bundle import Bundle
from app.inference.sessions import runtime_version
from app.telemetry import metrics

router = APIRouter(tags=["operations"])


@router.get("/livez", summary="Is the process alive?")
async def livez() -> Liveness:
    """Answers at once as long as the event loop turns. It says nothing about the model."""
    return Liveness()


@router.get(
    "/readyz",
    summary="Can the process do its work?",
    responses={503: {"model": ReadinessReport, "description": "At least one check failed."}},
)
async def readyz(request: Request, response: Response) -> ReadinessReport:
    """Runs the default bundle, unless it was run in the last 30 s, and tells the outcome of each check."""
    checks = await anyio.to_thread.run_sync(service_of(request.app).readiness.checks)
    ready = all(check.ok for check in checks)
    if not ready:
        response.status_code = 503
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    results = {check.name: CheckResult(ok=check.ok, detail=check.detail) for check in checks}
    return ReadinessReport(ready=ready, checks=results)


@router.get(
    "/version",
    summary="Versions of all that shapes a result.",
    dependencies=[Depends(require())],
    responses=KEY_RESPONSES,
)
async def get_version(request: Request) -> VersionReport:
    bundle = await anyio.to_thread.run_sync(service_of(request.app).registry.get, None)
    return VersionReport.model_validate({**component_versions(), "model": model_fields(bundle)})


@router.get(
    "/metrics",
    summary="Prometheus metrics.",
    response_class=Response,
    dependencies=[Depends(require("metrics"))],
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **KEY_RESPONSES},
)
async def get_metrics(request: Request) -> Response:
    """404 when `EARSIGHT_TELEMETRY__METRICS` is off."""
    service = service_of(request.app)
    if not service.settings.telemetry.metrics:
        raise NotFound("metrics are switched off", setting="EARSIGHT_TELEMETRY__METRICS")
    text = await anyio.to_thread.run_sync(figures_of, service)
    return Response(text, headers={"Content-Type": metrics.CONTENT_TYPE})


def component_versions() -> dict[str, Any]:
    """Versions of the program and of the libraries that decode and infer."""
    return {
        "earsight": version("earsight"),
        "python": platform.python_version(),
        "onnxruntime": runtime_version(),
        "av": av.__version__,
        "ffmpeg": {
            name: ".".join(str(part) for part in parts) for name, parts in av.library_versions.items()
        },
    }


def model_fields(bundle: Bundle) -> dict[str, str]:
    """Name, version, hash and provider of a loaded bundle."""
    info = bundle.info
    return {"name": info.name, "version": info.version, "sha256": info.sha256, "provider": info.provider}
