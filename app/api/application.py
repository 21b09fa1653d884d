"""Puts the HTTP service together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import anyio.to_thread
from fastapi import FastAPI
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from app.api import problems
from app.api.middleware import RequestMiddleware
from app.api.openapi import DescribedAPI
from app.api.routes import analyses, events, jobs, models, operations, page, results
from app.api.service import Service, build_service, service_of
from app.api.upload import MULTIPART_OVERHEAD_BYTES
from app.inference.registry import BundleRegistry
from app.media import spool
from app.settings import Settings

logger = logging.getLogger(__name__)

DESCRIPTION = (
    "Where does the sound in a video come from: a calibrated heatmap per frame, whether a visible source"
    " is present, and the names of what is heard."
)


def create_app(settings: Settings, registry: BundleRegistry | None = None) -> FastAPI:
    """The service as an ASGI application. Its bundle is loaded and warmed when the lifespan begins, unless
    it is in the registry already."""
    service = build_service(settings, registry or BundleRegistry(settings))
    app = DescribedAPI(
        title="Earsight",
        summary="Sound localisation in video.",
        description=DESCRIPTION,
        version=version("earsight"),
        lifespan=_lifespan,
        docs_url=None,  # both pages load their scripts from a CDN
        redoc_url=None,
        telemetry=service.tracing.of_requests,
    )
    app.state.service = service
    max_upload_bytes = settings.limits.max_upload_bytes
    problems.install(app, max_upload_bytes=max_upload_bytes)
    for module in (analyses, jobs, results, events, models, operations):
        app.include_router(module.router)
    if settings.page.enabled:
        app.include_router(page.router)
        app.mount("/page", page.files)  # after the router, some of whose pages lie there
    # The last one added is the outermost: it turns the plain answers of the limit into problems.
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=max_upload_bytes + MULTIPART_OVERHEAD_BYTES)
    app.add_middleware(RequestMiddleware, metrics=service.metrics, max_upload_bytes=max_upload_bytes)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service = service_of(app)
    settings = service.settings
    for directory in (settings.scratch_dir, service.places.uploads):
        await anyio.to_thread.run_sync(spool.sweep, directory)
    bundle = await anyio.to_thread.run_sync(service.registry.get, None)
    logger.info(
        "started", extra={**operations.component_versions(), "model": operations.model_fields(bundle)}
    )
    await anyio.to_thread.run_sync(service.backend.start)
    try:
        async with _webhooks(service):
            yield
    finally:
        service.stopping.set()
        for end in (
            service.gate.close,
            service.backend.stop,
            service.store.close,
            service.tracing.close,
        ):
            await anyio.to_thread.run_sync(end)
        logger.info("stopped")


@asynccontextmanager
async def _webhooks(service: Service) -> AsyncIterator[None]:
    """Deliver messages within the block, if there is a secret to sign them with."""
    if not service.settings.webhooks.secrets:
        yield
        return
    from app.webhooks.delivery import Deliverer  # here, since most servers need no HTTP client

    stop = asyncio.Event()
    outcomes = service.metrics.webhook_deliveries
    deliverer = Deliverer(
        service.store, service.settings.webhooks, lambda outcome: outcomes.labels(outcome).inc()
    )
    delivery = asyncio.create_task(deliverer.run(stop))
    try:
        yield
    finally:
        stop.set()
        await delivery
