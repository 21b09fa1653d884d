"""Puts the HTTP service together."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import anyio.to_thread
from fastapi import FastAPI
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from app.api import problems
from app.api.middleware import RequestMiddleware
from app.api.openapi import add_problem_schema
from app.api.routes import analyses, models, operations
from app.api.service import build_service, service_of
from app.api.upload import MULTIPART_OVERHEAD_BYTES
from app.media import spool
from app.settings import Settings

logger = logging.getLogger(__name__)

DESCRIPTION = (
    "Where does the sound in a video come from: a calibrated heatmap per frame, whether a visible source"
    " is present, and the names of what is heard."
)


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI application. Its bundle is loaded and warmed when the lifespan begins."""
    app = FastAPI(
        title="Earsight",
        summary="Sound localisation in video.",
        description=DESCRIPTION,
        version=version("earsight"),
        lifespan=_lifespan,
        docs_url=None,  # both pages load their scripts from a CDN
        redoc_url=None,
    )
    app.state.service = build_service(settings)
    max_upload_bytes = settings.limits.max_upload_bytes
    problems.install(app, max_upload_bytes=max_upload_bytes)
    for module in (analyses, models, operations):
        app.include_router(module.router)
    add_problem_schema(app)
    # The last one added is the outermost: it turns the plain answers of the limit into problems.
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=max_upload_bytes + MULTIPART_OVERHEAD_BYTES)
    app.add_middleware(RequestMiddleware, metrics=service_of(app).metrics, max_upload_bytes=max_upload_bytes)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service = service_of(app)
    settings = service.settings
    await anyio.to_thread.run_sync(spool.sweep, settings.scratch_dir)
    bundle = await anyio.to_thread.run_sync(service.registry.get, None)
    logger.info(
        "started", extra={**operations.component_versions(), "model": operations.model_fields(bundle)}
    )
    try:
        yield
    finally:
        await anyio.to_thread.run_sync(service.gate.close)
        logger.info("stopped")
