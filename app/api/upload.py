"""Receives a multipart body: files straight to disk under names of ours, options as text.

`Request.form()` is not used because it spools to unnamed files in the system's directory, which the
decode child could not open by path, and because it waits for ever for a client that has stopped sending.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio.to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from app.api.auth import identity_of
from app.api.problems import too_large
from app.api.service import service_of
from app.errors import InvalidRequest, UnsupportedMedia, UploadTimeout
from app.jobs.disk import disk_error

FILE_FIELDS = ("file", "audio")
MULTIPART_OVERHEAD_BYTES = 64 * 1024
"""Room in a body for boundaries, part headers and options beside the file itself."""

_MAX_OPTION_BYTES = 1024
_WRITE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """What a client sent.

    Attributes:
        file: the clip or image, in the directory that was given.
        audio: a separate sound file, if one was sent.
        options: the other form fields, undecoded text by name.
        size_bytes: of both files.
    """

    file: Path
    audio: Path | None
    options: Mapping[str, str]
    size_bytes: int


@dataclass(slots=True)
class _File:
    path: Path
    size_bytes: int = 0
    pending: bytearray = field(default_factory=bytearray)  # not yet handed to the disk


class _FormReader:
    """Callbacks of the multipart parser; keeps at most `_WRITE_BYTES` and one network chunk in memory."""

    def __init__(self, *, directory: Path, options: frozenset[str], max_bytes: int) -> None:
        self._directory = directory
        self._allowed = options
        self._max_bytes = max_bytes
        self._headers: list[tuple[bytes, bytes]] = []
        self._name = b""
        self._value = b""
        self._ready: list[tuple[Path, bytes]] = []
        self._current = ""
        self.files: dict[str, _File] = {}
        self.options: dict[str, bytearray] = {}
        self.ended = False

    def on_part_begin(self) -> None:
        self._headers = []

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._headers.append((self._name.lower(), self._value))
        self._name = self._value = b""

    def on_headers_finished(self) -> None:
        disposition = dict(self._headers).get(b"content-disposition", b"")
        name = parse_options_header(disposition)[1].get(b"name", b"").decode("utf-8", "replace")
        if name in self.files or name in self.options:
            raise InvalidRequest(f"the form field {name!r} was sent twice")
        if name in FILE_FIELDS:
            self.files[name] = _File(self._directory / f"upload-{name}")
        elif name in self._allowed:
            self.options[name] = bytearray()
        else:
            raise InvalidRequest(
                f"unknown form field {name[:40]!r}; send the clip as 'file', a separate sound as 'audio';"
                f" options are {', '.join(sorted(self._allowed))}"
            )
        self._current = name

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current in self.files:
            self._take(self.files[self._current], memoryview(data)[start:end])
            return
        value = self.options[self._current]
        value += memoryview(data)[start:end]
        if len(value) > _MAX_OPTION_BYTES:
            raise InvalidRequest(f"the field {self._current!r} is longer than {_MAX_OPTION_BYTES} bytes")

    def on_part_end(self) -> None:
        if self._current in self.files:
            self._hand_over(self.files[self._current])

    def on_end(self) -> None:
        self.ended = True

    async def flush(self) -> None:
        """Write what has been gathered, in a worker thread."""
        if self._ready:
            ready, self._ready = self._ready, []
            await anyio.to_thread.run_sync(_append, ready)

    def _take(self, file: _File, data: memoryview) -> None:
        file.pending += data
        file.size_bytes += len(data)
        if file.size_bytes > self._max_bytes:
            raise too_large(self._max_bytes)
        if len(file.pending) >= _WRITE_BYTES:
            self._hand_over(file)

    def _hand_over(self, file: _File) -> None:
        self._ready.append((file.path, bytes(file.pending)))
        file.pending.clear()


def _append(blocks: list[tuple[Path, bytes]]) -> None:
    for path, data in blocks:
        with path.open("ab") as stream:
            stream.write(data)


async def _chunks(request: Request, pause_s: float) -> AsyncGenerator[bytes, None]:
    """The body as it comes. Raises UploadTimeout when the client pauses for longer than `pause_s`."""
    async with aclosing(request.stream()) as stream:
        while True:
            try:
                async with asyncio.timeout(pause_s):
                    chunk = await anext(stream, None)
            except TimeoutError:
                raise UploadTimeout(
                    f"nothing was received for {pause_s:g} s",
                    limit=pause_s,
                    setting="EARSIGHT_SERVER__UPLOAD_TIMEOUT_S",
                ) from None
            if chunk is None:
                return
            yield chunk


def _parser(request: Request, reader: _FormReader) -> MultipartParser:
    content_type, parameters = parse_options_header(request.headers.get("content-type"))
    if content_type != b"multipart/form-data":
        raise UnsupportedMedia("the body must be multipart/form-data with the clip in the field 'file'")
    if not parameters.get(b"boundary"):
        raise InvalidRequest("the Content-Type of the body names no boundary")
    return MultipartParser(
        parameters[b"boundary"],
        {
            "on_part_begin": reader.on_part_begin,
            "on_header_field": reader.on_header_field,
            "on_header_value": reader.on_header_value,
            "on_header_end": reader.on_header_end,
            "on_headers_finished": reader.on_headers_finished,
            "on_part_data": reader.on_part_data,
            "on_part_end": reader.on_part_end,
            "on_end": reader.on_end,
        },
    )


async def receive_upload(
    request: Request,
    *,
    directory: Path,
    options: frozenset[str],
    max_bytes: int,
    pause_s: float,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> Upload:
    """Read the body of `request` into `directory`.

    Args:
        directory: an empty directory that the caller removes afterwards, whatever happens.
        options: names of the form fields that may come beside the files.
        max_bytes: largest size of one file.
        pause_s: longest time without a byte from the client.
        on_bytes: told how many bytes of the body have come; what it raises ends the upload.

    Raises InvalidRequest, UnsupportedMedia, UploadTooLarge, UploadTimeout, NoSpace or StoreUnavailable (the
    disk is full or cannot be used), and starlette's ClientDisconnect.
    """
    reader = _FormReader(directory=directory, options=options, max_bytes=max_bytes)
    parser = _parser(request, reader)
    try:
        async with aclosing(_chunks(request, pause_s)) as chunks:
            async for chunk in chunks:
                on_bytes(len(chunk))
                parser.write(chunk)
                await reader.flush()
    except FormParserError as error:
        raise InvalidRequest("the multipart body is malformed") from error
    except OSError as error:
        raise disk_error(error) from error
    if not reader.ended:
        raise InvalidRequest("the multipart body has no closing boundary")
    return _upload(reader)


async def receive_within_limits(request: Request, *, directory: Path, options: frozenset[str]) -> Upload:
    """`receive_upload` within the limits of the server and of the client, with its metrics.

    The route must depend on `app.api.auth.require`. Raises RateLimited, too.
    """
    service, who = service_of(request.app), identity_of(request)
    announced = request.headers.get("content-length", "")
    announced_bytes = int(announced) if announced.isdecimal() else 0
    with service.metrics.stage("upload"), service.rates.uploading(who, announced_bytes):
        upload = await receive_upload(
            request,
            directory=directory,
            options=options,
            max_bytes=service.settings.limits.max_upload_bytes,
            pause_s=service.settings.server.upload_timeout_s,
            on_bytes=partial(service.rates.count_upload, who),
        )
    service.metrics.upload_bytes.inc(upload.size_bytes)
    return upload


def _upload(reader: _FormReader) -> Upload:
    if "file" not in reader.files:
        raise InvalidRequest("the form field 'file' is missing; it holds the video or the image")
    sound = reader.files.get("audio")
    return Upload(
        file=reader.files["file"].path,
        audio=sound.path if sound is not None else None,
        options={name: value.decode("utf-8", "replace") for name, value in reader.options.items()},
        size_bytes=sum(file.size_bytes for file in reader.files.values()),
    )
