"""The files of a job as answers: whole, in part, not at all if the client has them, or all in one."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import BinaryIO

import anyio
import anyio.to_thread
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from zipstream import ZipStream

from app.errors import NotFound, ResultExpired
from app.jobs.artifacts import ArtifactStore
from app.jobs.record import Artifact, Job
from app.results.formats import FORMATS

ZIP = "zip"
ZIP_MEDIA_TYPE = "application/zip"
ATTACHED = frozenset({"npz", "overlay", "coco"})
"""Formats that a browser should save rather than show."""

_BLOCK_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_ATTACHED_FILES = frozenset(FORMATS[name].file_name for name in ATTACHED)
_CACHING = {"Cache-Control": "private, no-cache"}  # a browser may keep it, but has to ask


class ClosingResponse(StreamingResponse):
    """Closes a file at its end, whatever that is."""

    def __init__(self, content: AsyncIterator[bytes], *, file: BinaryIO, **arguments: object) -> None:
        super().__init__(content, **arguments)  # type: ignore[arg-type]  # its own arguments
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._file.close)


async def artifact_response(
    request: Request, artifacts: ArtifactStore, job_id: str, artifact: Artifact, *, vary: str | None = None
) -> Response:
    """The file, or the one range that was asked for; a request for several ranges gets all of it.

    Raises ResultExpired when it was removed just now, and HTTPException (416).
    """
    etag = f'"{artifact.sha256}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", **_CACHING}
    if vary is not None:
        headers["Vary"] = vary
    if _is_known(request.headers, etag):
        return Response(status_code=304, headers=headers)
    if artifact.name in _ATTACHED_FILES:
        headers["Content-Disposition"] = f'attachment; filename="{artifact.name}"'
    part = asked_range(request.headers, size_bytes=artifact.size_bytes, etag=etag)
    start, end = part or (0, artifact.size_bytes)
    headers["Content-Length"] = str(end - start)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{artifact.size_bytes}"
    try:
        file = await anyio.to_thread.run_sync(artifacts.open, job_id, artifact)
    except NotFound as error:
        raise ResultExpired("the result was removed") from error
    return ClosingResponse(
        _blocks(file, start, end),
        file=file,
        status_code=200 if part is None else 206,
        headers=headers,
        media_type=artifact.media_type,
    )


def zip_response(artifacts: ArtifactStore, job: Job) -> Response:
    """All files of a job, not compressed, since what is large among them is."""
    archive = ZipStream(sized=True)
    for artifact in job.artifacts:
        archive.add(_whole(artifacts, job.id, artifact), artifact.name, size=artifact.size_bytes)
    return StreamingResponse(
        iter(archive),
        media_type=ZIP_MEDIA_TYPE,
        headers={
            "Content-Length": str(len(archive)),
            "Content-Disposition": f'attachment; filename="{job.id}.zip"',
            "Vary": "Accept",
            **_CACHING,
        },
    )


def asked_range(headers: Headers, *, size_bytes: int, etag: str) -> tuple[int, int] | None:
    """The first byte and the one after the last; None for all, also for what RFC 9110 lets a server ignore.

    Raises HTTPException (416) when nothing lies within the range.
    """
    found = _RANGE.fullmatch(headers.get("range", "").strip())
    if found is None or headers.get("if-range", etag) != etag:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    start = int(first) if first else max(0, size_bytes - int(last))
    end = min(size_bytes, int(last) + 1) if first and last else size_bytes
    if first and last and int(last) < start:
        return None
    if start >= size_bytes:
        raise HTTPException(
            416, "the file has no such bytes", headers={"Content-Range": f"bytes */{size_bytes}"}
        )
    return start, end


def _is_known(headers: Headers, etag: str) -> bool:
    known = [entry.strip().removeprefix("W/") for entry in headers.get("if-none-match", "").split(",")]
    return etag in known or "*" in known


async def _blocks(file: BinaryIO, start: int, end: int) -> AsyncIterator[bytes]:
    await anyio.to_thread.run_sync(file.seek, start)
    while start < end:
        block = await anyio.to_thread.run_sync(file.read, min(_BLOCK_BYTES, end - start))
        if not block:
            raise OSError("an artifact is shorter than its record says")
        start += len(block)
        yield block


def _whole(artifacts: ArtifactStore, job_id: str, artifact: Artifact) -> Iterator[bytes]:
    with artifacts.open(job_id, artifact) as file:
        while block := file.read(_BLOCK_BYTES):
            yield block
