"""Runs the service: one uvicorn process that finishes its work before it goes."""

from __future__ import annotations

import logging
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from app.api.application import create_app
from app.api.gate import AnalysisGate
from app.api.service import service_of
from app.settings import Settings
from app.telemetry.logging import configure_logging

logger = logging.getLogger(__name__)

# After the drain the answers of cancelled work still have to be sent.
_FAREWELL_S = 5


class _Server(uvicorn.Server):
    """Keeps listening while it drains, so that probes and new clients get an answer (503) meanwhile.

    uvicorn itself closes its sockets at the first signal, and then dies of that signal; a second
    signal here does just that.
    """

    def __init__(self, config: uvicorn.Config, *, gate: AnalysisGate, drain_s: float) -> None:
        super().__init__(config)
        self._gate = gate
        self._drain_s = drain_s
        self._deadline_s: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._deadline_s is not None:
            super().handle_exit(sig, frame)
            return
        self._deadline_s = time.monotonic() + self._drain_s
        self._gate.drain()

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        for server in self.servers:
            for listener in server.sockets:
                host, port = listener.getsockname()[:2]
                logger.info("listening", extra={"host": host, "port": port})

    async def on_tick(self, counter: int) -> bool:
        if self._deadline_s is not None and not self.should_exit:
            if self._gate.idle:
                self.should_exit = True
            elif time.monotonic() >= self._deadline_s:
                logger.warning("drain_timeout", extra={"code": "canceled"})
                self._gate.cancel_all()
                self.should_exit = True
        return await super().on_tick(counter)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT: readiness turns to 503 and new work is refused, work that was
    accepted gets `server.drain_s` to end, then the process exits with status 0.

    Raises NotFound, BundleError or ModelNotReady when the default bundle cannot be served.
    """
    configure_logging(settings.telemetry)
    app = create_app(settings)
    service = service_of(app)
    service.registry.get()  # here, since uvicorn would turn its error into a page of traceback
    _Server(_uvicorn_config(app, settings), gate=service.gate, drain_s=settings.server.drain_s).run()


def _uvicorn_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.server.host,
        port=settings.server.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_FAREWELL_S,
    )
