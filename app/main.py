"""Runs the service: one uvicorn process that finishes its work before it goes."""

from __future__ import annotations

import logging
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from app.api.application import create_app
from app.api.service import Service, service_of
from app.inference.registry import BundleRegistry
from app.settings import Settings

logger = logging.getLogger(__name__)

# After the drain the answers of cancelled work still have to be sent.
_FAREWELL_S = 5
# Longer than a client waits that was told to retry after some seconds, and than most proxies keep theirs: who
# sends at the moment at which the server closes an idle connection sees a broken answer.
_KEEP_ALIVE_S = 75


class _Server(uvicorn.Server):
    """Keeps listening while it drains, so that probes and new clients get an answer (503) meanwhile.

    uvicorn itself closes its sockets at the first signal, and then dies of that signal; a second
    signal here does just that.
    """

    def __init__(self, config: uvicorn.Config, *, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._deadline_s: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._deadline_s is not None:
            super().handle_exit(sig, frame)
            return
        self._deadline_s = time.monotonic() + self._service.settings.server.drain_s
        self._service.gate.drain()

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        for server in self.servers:
            for listener in server.sockets:
                host, port = listener.getsockname()[:2]
                logger.info("listening", extra={"host": host, "port": port})

    async def on_tick(self, counter: int) -> bool:
        if self._deadline_s is not None and not self.should_exit:
            gate, backend = self._service.gate, self._service.backend
            backend.drain()
            if time.monotonic() >= self._deadline_s:
                logger.warning("drain_timeout", extra={"code": "canceled"})
                gate.cancel_all()
                self.should_exit = True
            elif gate.idle and backend.idle:
                self.should_exit = True
            if self.should_exit:
                self._service.stopping.set()
        return await super().on_tick(counter)


def serve(settings: Settings, registry: BundleRegistry) -> None:
    """Serve until SIGTERM or SIGINT: readiness turns to 503 and new work is refused, work that was
    accepted gets `server.drain_s` to end, jobs that have not ended by then are put back into the queue for
    the next start, then the process exits with status 0.

    Raises NotFound, BundleError or ModelNotReady when the default bundle cannot be served, and InvalidRequest
    when the file of keys is broken.
    """
    app = create_app(settings, registry)
    service = service_of(app)
    registry.get()  # here, since uvicorn would turn its error into a page of traceback
    _Server(_uvicorn_config(app, settings), service=service).run()


def _uvicorn_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.server.host,
        port=settings.server.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_FAREWELL_S,
    )
