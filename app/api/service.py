"""What the routes share: one object per application, made by `create_app`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from fastapi import FastAPI

from app.api.analysis import Analyst
from app.api.gate import AnalysisGate
from app.api.readiness import Readiness
from app.inference.registry import BundleRegistry
from app.settings import Settings
from app.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Service:
    settings: Settings
    registry: BundleRegistry
    gate: AnalysisGate
    readiness: Readiness
    analyst: Analyst
    metrics: Metrics


def build_service(settings: Settings) -> Service:
    """Put the parts together; nothing is loaded yet."""
    metrics = Metrics()
    registry = BundleRegistry(settings)
    gate = AnalysisGate(
        max_running=settings.server.max_concurrent_analyses,
        max_waiting=settings.server.max_waiting_analyses,
        metrics=metrics,
    )
    readiness = Readiness(settings=settings, registry=registry, gate=gate)
    analyst = Analyst(settings=settings, metrics=metrics, on_work=readiness.proved)
    return Service(settings, registry, gate, readiness, analyst, metrics)


def service_of(app: FastAPI) -> Service:
    """The service behind an application of `create_app`."""
    return cast(Service, app.state.service)
