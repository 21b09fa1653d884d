"""The lines of an analysis that still runs, as they come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import BinaryIO

import anyio.to_thread

from app.api import problems
from app.api.service import Service
from app.api.waiting import Quiet
from app.errors import Canceled, EarsightError, NoResult, NotFound, StoreUnavailable
from app.jobs.lines import LiveLines
from app.jobs.record import Job
from app.results.json_writer import to_bytes

_BLOCK_BYTES = 256 * 1024
_PAUSE_S = 0.05


async def begun(lines: LiveLines) -> bool:
    """Wait for the first line; False if they ended without one."""
    while True:
        size, ended = lines.state
        if size or ended:
            return size > 0
        await asyncio.sleep(_PAUSE_S)


async def blocks(
    lines: LiveLines, stream: BinaryIO, *, stopping: threading.Event | None = None
) -> AsyncIterator[bytes]:
    """What was appended, from the first line on, until the end, or until `stopping` is set.

    Args:
        stream: of `lines.open`; the caller closes it.
    """
    sent = 0
    while True:
        size, ended = lines.state
        while sent < size:
            block = await anyio.to_thread.run_sync(stream.read, min(_BLOCK_BYTES, size - sent))
            sent += len(block)
            yield block
        if ended or (stopping is not None and stopping.is_set()):
            return
        await asyncio.sleep(_PAUSE_S)


async def job_blocks(service: Service, job: Job, lines: LiveLines, stream: BinaryIO) -> AsyncIterator[bytes]:
    """`blocks` of a job that runs, and a problem as the last line if they are not all there are."""
    async for block in blocks(lines, stream, stopping=service.stopping):
        yield block
    failure = await _failure(service, job)
    if failure is not None:
        yield to_bytes(problems.unexpected_document(failure)) + b"\n"


def no_result(job: Job) -> NoResult:
    """Why a job that has ended otherwise has no result."""
    if job.error is None:
        return NoResult(f"the job was {job.status}")
    return NoResult(f"the job has failed: {job.error['code']}: {job.error['detail']}")


async def _failure(service: Service, job: Job) -> EarsightError | None:
    """Why the lines of an attempt ended early; None if they did not."""
    watch = Quiet()
    while True:
        try:
            now = await anyio.to_thread.run_sync(lambda: service.store.get(job.id, owner=None))
        except NotFound as error:
            return error
        except StoreUnavailable:
            pass
        else:
            if now.status == "succeeded":
                return None
            if now.ended:
                return no_result(now)
            if now.status != "running" or now.attempt != job.attempt:
                return Canceled("the job was put back into the queue; ask for its result again later")
            if now.progress.stage == "encode":  # the analysis is done
                return None
        if service.stopping.is_set():
            return Canceled("the server is shutting down; the job goes on when it is back")
        await watch.pause()
