"""What the routes share: one object per application, made by `create_app`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from fastapi import FastAPI

from app.api.gate import AnalysisGate
from app.api.readiness import Readiness
from app.auth.keys import KeyRing
from app.auth.rates import Rates
from app.inference.bundle import Bundle
from app.inference.registry import BundleRegistry
from app.inference.turns import Turns
from app.jobs.analyst import Analyst
from app.jobs.artifacts import ArtifactStore
from app.jobs.backend import JobBackend
from app.jobs.cluster.backend import RayBackend, RayWorker
from app.jobs.cluster.pool import Pool
from app.jobs.intake import Intake
from app.jobs.local import LocalBackend
from app.jobs.places import Places, prepare_places
from app.jobs.running import JobRunner, MayRun
from app.jobs.store import JobStore, open_store
from app.jobs.sweeping import Sweeper
from app.jobs.work import LocalWorker, Worker
from app.settings import Settings
from app.telemetry.metrics import Metrics
from app.telemetry.tracing import Tracing, open_tracing
from app.webhooks.message import job_message


@dataclass(frozen=True, slots=True)
class Service:
    """Attributes: stopping: set when the process is about to end, so that answers without an end end."""

    settings: Settings
    registry: BundleRegistry
    gate: AnalysisGate
    readiness: Readiness
    analyst: Analyst
    metrics: Metrics
    tracing: Tracing
    keys: KeyRing
    rates: Rates
    places: Places
    store: JobStore
    artifacts: ArtifactStore
    backend: JobBackend
    intake: Intake
    stopping: threading.Event = field(default_factory=threading.Event)


def build_service(settings: Settings, registry: BundleRegistry) -> Service:
    """Put the parts together; no bundle is loaded, and no job begun.

    Raises InvalidRequest if the file of keys is broken, the place for jobs cannot be used, or what tracing or
    the cluster needs is missing; StoreUnavailable; and ModelNotReady if the cluster does not answer.
    """
    tracing = open_tracing(settings.telemetry)
    keys, rates = KeyRing.from_settings(settings.auth), Rates(settings.auth)
    places = prepare_places(settings.jobs)
    store, artifacts = open_store(places.database_url), ArtifactStore(places.artifacts_url)
    metrics = Metrics()
    gate = AnalysisGate(
        max_running=settings.server.max_concurrent_analyses,
        max_waiting=settings.server.max_waiting_analyses,
        metrics=metrics,
    )

    def proved(bundle: Bundle) -> None:
        readiness.proved(bundle)

    analyst = Analyst(settings=settings, metrics=metrics, tracing=tracing, turns=Turns(), on_work=proved)
    backend = _backend(
        settings,
        store=store,
        artifacts=artifacts,
        registry=registry,
        analyst=analyst,
        metrics=metrics,
        tracing=tracing,
        artifacts_url=places.artifacts_url,
    )
    readiness = Readiness(
        settings=settings, registry=registry, gate=gate, places=places, store=store, backend=backend
    )
    intake = Intake(
        settings=settings.jobs,
        store=store,
        artifacts=artifacts,
        backend=backend,
        metrics=metrics,
        webhook_body=job_message,
    )
    return Service(
        settings=settings,
        registry=registry,
        gate=gate,
        readiness=readiness,
        analyst=analyst,
        metrics=metrics,
        tracing=tracing,
        keys=keys,
        rates=rates,
        places=places,
        store=store,
        artifacts=artifacts,
        backend=backend,
        intake=intake,
    )


def service_of(app: FastAPI) -> Service:
    """The service behind an application of `create_app`."""
    return cast(Service, app.state.service)


def _backend(
    settings: Settings,
    *,
    store: JobStore,
    artifacts: ArtifactStore,
    registry: BundleRegistry,
    analyst: Analyst,
    metrics: Metrics,
    tracing: Tracing,
    artifacts_url: str,
) -> JobBackend:
    sweeper = Sweeper(
        settings=settings.jobs,
        store=store,
        artifacts=artifacts,
        metrics=metrics,
        webhook_body=job_message,
    )

    def runner(worker: Worker) -> Callable[[MayRun], JobRunner]:
        return lambda may_run: JobRunner(
            settings=settings,
            store=store,
            artifacts=artifacts,
            worker=worker,
            metrics=metrics,
            tracing=tracing,
            may_run=may_run,
            webhook_body=job_message,
        )

    if settings.jobs.backend == "ray":
        pool = Pool(settings, artifacts_url)
        return RayBackend(
            settings=settings.jobs,
            store=store,
            sweeper=sweeper,
            make_runner=runner(RayWorker(pool)),
            pool=pool,
        )
    local = LocalWorker(settings=settings, artifacts=artifacts, registry=registry, analyst=analyst)
    return LocalBackend(settings=settings.jobs, store=store, sweeper=sweeper, make_runner=runner(local))
