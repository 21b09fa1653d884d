"""The client for programs with an event loop of asyncio: `synchronous.py` with `await`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, Unpack, overload

import httpx
from httpx_sse import EventSource
from tenacity import AsyncRetrying

from app.client import answers, calls
from app.client.calls import AnalysisOptions, Call, FilePath, JobOptions, RawFormat
from app.client.documents import JobDocument, JobEvent, ResultDocument, Status
from app.client.downloads import Download, find_artifact
from app.client.patience import Patience, Waiting, repeating

T = TypeVar("T")


class AsyncEarsight:
    """A connection to an Earsight server; use it in an `async with` statement, or close it.

    Requests are repeated while the server, or the way to it, is out of order: see `Patience`. Every method
    raises EarsightApiError for what the server refuses and Unreachable when no answer came in time.

    Args:
        url: of the server, with the path under which it is served, if there is one.
        api_key: sent as bearer token.
        http: further arguments of `httpx.AsyncClient`, such as `proxy` and `verify`.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        patience: Patience | None = None,
        **http: Any,
    ) -> None:
        self.patience = patience or Patience()
        self._http = httpx.AsyncClient(**calls.connection(url, api_key=api_key, http=http))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def localize(
        self, file: FilePath, audio: FilePath | None = None, **options: Unpack[AnalysisOptions]
    ) -> ResultDocument:
        """Where the sound of a clip comes from. For clips of seconds to a few minutes; else `submit` it."""
        return await self.send(calls.analysis("localize", file, audio, options))

    async def detect(
        self, file: FilePath, audio: FilePath | None = None, **options: Unpack[AnalysisOptions]
    ) -> ResultDocument:
        """Which objects a clip shows, and which of them sound."""
        return await self.send(calls.analysis("detect", file, audio, options))

    async def explain(
        self, file: FilePath, audio: FilePath | None = None, **options: Unpack[AnalysisOptions]
    ) -> ResultDocument:
        """Which event each stretch of a clip shows, and what speaks for it."""
        return await self.send(calls.analysis("explain", file, audio, options))

    async def analyze(
        self, file: FilePath, audio: FilePath | None = None, **options: Unpack[AnalysisOptions]
    ) -> ResultDocument:
        """All tasks of the bundle."""
        return await self.send(calls.analysis("analyze", file, audio, options))

    async def submit(
        self,
        file: FilePath,
        audio: FilePath | None = None,
        *,
        idempotency_key: str | None = None,
        **options: Unpack[JobOptions],
    ) -> AsyncJob:
        """Hand a clip in, to be analysed later.

        Args:
            idempotency_key: the same key with the same clip and options gives the same job for a day. One is
                made up for each call, so what is sent again after a broken connection never makes two jobs.
        """
        call = calls.submission(file, audio, options, idempotency_key=idempotency_key)
        return AsyncJob(self, await self.send(call))

    async def job(self, job_id: str) -> AsyncJob:
        """A job that was handed in before, also by another program."""
        return AsyncJob(self, await self.send(calls.job(job_id)))

    async def jobs(self, *, status: Status | None = None) -> AsyncIterator[AsyncJob]:
        """All jobs of this key, the newest first."""
        before: str | None = None
        while True:
            page = await self.send(calls.job_page(status=status, before=before))
            for document in page.jobs:
                yield AsyncJob(self, document)
            if page.links.next is None or not page.jobs:
                return
            before = page.jobs[-1].id

    async def send(self, call: Call[T], *, within_s: float | None = None) -> T:
        """Send a call until it is answered, and read the answer."""

        async def once() -> T:
            with answers.reaching(), call.arguments() as arguments:
                answer = await self._http.request(**arguments)
            return answers.read(answer, call)

        retrying = AsyncRetrying(**repeating(self.patience, call, within_s=within_s))
        return await retrying(once)

    async def open(self, call: Call[None]) -> httpx.Response:
        """Send a call until the head of its answer is there; the body is not read yet. Close it."""

        async def once() -> httpx.Response:
            with answers.reaching(), call.arguments() as arguments:
                answer = await self._http.send(self._http.build_request(**arguments), stream=True)
                if not answers.is_good(answer, call):
                    async with aclosing(answer):
                        await answer.aread()
                    raise answers.refusal(answer)
            return answer

        return await AsyncRetrying(**repeating(self.patience, call))(once)


class AsyncJob:
    """A job on the server.

    Attributes:
        document: what was last heard of it; `refresh` asks again.
    """

    def __init__(self, client: AsyncEarsight, document: JobDocument) -> None:
        self._client = client
        self.document = document

    @property
    def id(self) -> str:
        """Keep it to find the job again with `AsyncEarsight.job`."""
        return self.document.id

    @property
    def status(self) -> Status:
        return self.document.status

    async def refresh(self) -> JobDocument:
        self.document = await self._client.send(calls.job(self.id))
        return self.document

    async def wait(
        self, *, timeout_s: float | None = None, progress: Callable[[JobDocument], None] | None = None
    ) -> JobDocument:
        """Wait until it has succeeded, across outages of up to `Patience.outage_s` each.

        Args:
            progress: called with the job about once a second.

        Raises:
            JobFailed: it failed, was canceled, or its result has been removed.
            WaitTimeout: it has not ended after `timeout_s`; it goes on, and so may the waiting.
        """
        waiting = Waiting(self._client.patience, timeout_s=timeout_s, often=progress is not None)
        while True:
            call = calls.job(self.id, wait_s=waiting.hold_s)
            self.document = await self._client.send(call, within_s=waiting.left_s)
            if progress is not None:
                progress(self.document)
            pause_s = waiting.pause_s(self.document)
            if pause_s is None:
                return self.document
            await asyncio.sleep(pause_s)

    async def events(self, *, after: int = 0) -> AsyncIterator[JobEvent]:
        """What happens to it, up to its end; a broken connection is made again where it broke.

        Args:
            after: number of the last event that is known; 0 for all from the beginning.
        """
        while True:
            async with aclosing(await self._client.open(calls.events(self.id, after=after))) as answer:
                if answer.status_code == httpx.codes.NO_CONTENT:
                    return
                with suppress(httpx.TransportError):
                    async for sent in EventSource(answer).aiter_sse():
                        event = calls.read_event(sent)
                        if event is None:
                            continue
                        after = event.number
                        yield event
                        if event.kind == "done":
                            return
            await asyncio.sleep(self._client.patience.pause_s)

    @overload
    async def result(self, format: Literal["json"] = "json") -> ResultDocument: ...
    @overload
    async def result(self, format: RawFormat) -> bytes: ...
    async def result(self, format: Literal["json"] | RawFormat = "json") -> ResultDocument | bytes:
        """The result, in memory; `download` is for what is large.

        Args:
            format: one of the formats of the job, or `zip` for all of them.
        """
        if format == "json":
            return await self._client.send(calls.result(self.id))
        return await self._client.send(calls.result_bytes(self.id, format))

    async def download(self, name: str, path: FilePath) -> Path:
        """Fetch an artifact, going on with what an earlier call left, and check its SHA-256.

        Args:
            name: of the artifact, such as `overlay.mp4`.
            path: of the file, or of a directory for it.

        Raises DownloadCorrupt; EarsightClientError when the job has no such artifact.
        """
        with Download(find_artifact(await self.refresh(), name), Path(path)) as download:
            while not download.complete:
                call = calls.artifact(self.id, name, headers=download.ask())
                async with aclosing(await self._client.open(call)) as answer:
                    download.begin(answer)
                    with suppress(httpx.TransportError):
                        async for block in answer.aiter_bytes():
                            download.write(block)
                if not download.complete:
                    await asyncio.sleep(self._client.patience.pause_s)
            return await asyncio.to_thread(download.finish)

    async def cancel(self) -> JobDocument:
        """End it, if it has not ended; it may take a second until it has."""
        self.document = await self._client.send(calls.cancellation(self.id))
        return self.document

    async def delete(self) -> None:
        """Remove it from the server, with its input and results; if it runs, it ends."""
        with answers.perhaps_gone():
            await self._client.send(calls.deletion(self.id))
