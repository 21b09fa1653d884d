"""The life of one request that brings a clip: a directory of its own, and nothing left afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from fastapi.concurrency import contextmanager_in_threadpool
from starlette.requests import ClientDisconnect, Request

from app.api.gate import Run
from app.api.prefer import preferences_of
from app.api.service import service_of
from app.jobs.disk import disk_error
from app.media import spool

T = TypeVar("T")


class Workspace:
    """Where a request keeps its files, and the run that uses them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.run: Run[Any] | None = None

    async def stop(self) -> None:
        """End the run, so that the directory can go."""
        if self.run is not None:
            await self.run.stop()


async def open_workspace(request: Request) -> AsyncIterator[Workspace]:
    """Dependency of a route that analyses, or makes a job if the client prefers that; it ends when the
    answer was sent or the client has gone.

    Raises Overloaded before a byte of the upload is read when there is no place for the work.
    """
    async with _workspace(request, for_job=preferences_of(request.headers).respond_async) as workspace:
        yield workspace


async def open_job_workspace(request: Request) -> AsyncIterator[Workspace]:
    """Dependency of a route that makes a job. Raises Overloaded when the service is shutting down."""
    async with _workspace(request, for_job=True) as workspace:
        yield workspace


@asynccontextmanager
async def _workspace(request: Request, *, for_job: bool) -> AsyncIterator[Workspace]:
    service = service_of(request.app)
    root = service.places.uploads if for_job else service.settings.scratch_dir
    with service.gate.admitted(for_later=for_job):
        async with AsyncExitStack() as stack:
            try:
                directory = await stack.enter_async_context(contextmanager_in_threadpool(spool.scratch(root)))
            except OSError as error:
                raise disk_error(error) from error
            workspace = Workspace(directory)
            try:
                yield workspace
            finally:
                await workspace.stop()


async def unless_gone(request: Request, awaitable: Awaitable[T]) -> T:
    """Wait for `awaitable` while watching the connection. Raises ClientDisconnect when it closes.

    The body of the request must have been read to its end.
    """
    ended = asyncio.ensure_future(awaitable)
    gone = asyncio.ensure_future(_closed(request))
    try:
        await asyncio.wait({ended, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            raise ClientDisconnect
        return ended.result()
    finally:
        ended.cancel()
        gone.cancel()


async def _closed(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
