"""What is sent and how answers are read: all of the protocol that needs no connection."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Generic, Literal, TypedDict, TypeVar
from urllib.parse import quote

import httpx
from httpx_sse import ServerSentEvent
from pydantic import BaseModel

from app.client.documents import JobDocument, JobEvent, JobList, ResultDocument, Status

JSON = "application/json"
EVENTS = "text/event-stream"
CONNECT_S = 10.0
READ_S = 30.0  # two heartbeats of an event stream
SUBMISSION_S = 120.0  # the server hashes and keeps the clip before it answers
ANALYSIS_S = 900.0  # an analysis that is answered at once sends nothing until it ends

FilePath = str | PathLike[str]
RawFormat = Literal["ndjson", "npz", "coco", "vtt", "overlay", "zip"]
Document = TypeVar("Document", bound=BaseModel)
T = TypeVar("T")


class AnalysisOptions(TypedDict, total=False):
    """Options of an analysis; docs/api.md says what they mean."""

    fps: float
    model: str
    group_by: Literal["frame", "track"]
    target: str


class JobOptions(AnalysisOptions, total=False):
    """Options of a job: also what to compute, what to make of it, and whom to call at the end."""

    tasks: Collection[str]
    formats: Collection[str]
    webhook: str


def connection(url: str, *, api_key: str | None, http: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `httpx.Client` and `AsyncClient`."""
    key = {"Authorization": f"Bearer {api_key}"} if api_key is not None else {}
    return {**http, "base_url": url, "headers": {**http.get("headers", {}), **key}}


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request that can be sent any number of times.

    Attributes:
        parse: makes what the caller wants of a good answer. Raises ValueError.
        media_type: of a good answer; None if that cannot be known before.
        files: what to upload, by field.
        read_s: longest silence of the server, in seconds.
        costly: if it is sent again, the server works for long again.
    """

    method: str
    path: str
    parse: Callable[[httpx.Response], T]
    media_type: str | None = JSON
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    read_s: float = READ_S
    costly: bool = False

    @contextmanager
    def arguments(self) -> Iterator[dict[str, Any]]:
        """Arguments of `build_request`; the files are open, and read from disk as they are sent."""
        with ExitStack() as opened:
            files = {name: opened.enter_context(path.open("rb")) for name, path in self.files.items()}
            yield {
                "method": self.method,
                "url": self.path,
                "params": dict(self.params) or None,
                "headers": dict(self.headers),
                "data": dict(self.form) or None,
                # The server does not look at names and types of files, so it is not told any.
                "files": {
                    name: ("file", stream, "application/octet-stream") for name, stream in files.items()
                }
                or None,
                "timeout": httpx.Timeout(CONNECT_S, read=self.read_s, write=READ_S),
            }


def analysis(
    task: str, file: FilePath, audio: FilePath | None, options: AnalysisOptions
) -> Call[ResultDocument]:
    return Call(
        "POST",
        f"v1/{task}",
        _read(ResultDocument),
        form={**_form(options), "format": "json"},
        files=_files(file, audio),
        read_s=ANALYSIS_S,
        costly=True,
    )


def submission(
    file: FilePath, audio: FilePath | None, options: JobOptions, *, idempotency_key: str | None
) -> Call[JobDocument]:
    """Sent again under the same key, it gives the same job."""
    return Call(
        "POST",
        "v1/jobs",
        _read(JobDocument),
        headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
        form=_form(options),
        files=_files(file, audio),
        read_s=SUBMISSION_S,
    )


def job(job_id: str, *, wait_s: float = 0.0) -> Call[JobDocument]:
    params = {"wait": f"{wait_s:g}"} if wait_s > 0 else {}
    return Call("GET", _path(job_id), _read(JobDocument), params=params, read_s=READ_S + wait_s)


def job_page(*, status: Status | None, before: str | None) -> Call[JobList]:
    given = {"status": status, "before": before}
    return Call(
        "GET", "v1/jobs", _read(JobList), params={key: value for key, value in given.items() if value}
    )


def cancellation(job_id: str) -> Call[JobDocument]:
    return Call("POST", _path(job_id, "cancel"), _read(JobDocument))


def deletion(job_id: str) -> Call[None]:
    return Call("DELETE", _path(job_id), lambda _: None, media_type=None)


def result(job_id: str) -> Call[ResultDocument]:
    return Call("GET", _path(job_id, "result"), _read(ResultDocument), params={"format": "json"})


def result_bytes(job_id: str, format: RawFormat) -> Call[bytes]:
    return Call(
        "GET", _path(job_id, "result"), lambda answer: answer.content, None, params={"format": format}
    )


def artifact(job_id: str, name: str, headers: Mapping[str, str]) -> Call[None]:
    """To be streamed."""
    return Call("GET", _path(job_id, "artifacts", name), lambda _: None, media_type=None, headers=headers)


def events(job_id: str, *, after: int) -> Call[None]:
    """To be streamed; 204 says that nothing follows `after`, the last event that is known, or 0."""
    known = {"Last-Event-ID": str(after)} if after else {}
    headers = {"Accept": EVENTS, "Cache-Control": "no-store", **known}
    return Call("GET", _path(job_id, "events"), lambda _: None, media_type=EVENTS, headers=headers)


def read_event(sent: ServerSentEvent) -> JobEvent | None:
    """None for a message that carries no event, such as a new time for reconnecting."""
    if not sent.data:
        return None
    return JobEvent(number=int(sent.id), kind=sent.event, data=json.loads(sent.data))


def _read(model: type[Document]) -> Callable[[httpx.Response], Document]:
    # The server's own models refuse what they do not know; a client must not.
    return lambda answer: model.model_validate_json(answer.content, extra="ignore")


def _form(options: Mapping[str, Any]) -> dict[str, str]:
    lists = {name: ",".join(options[name]) for name in ("tasks", "formats") if name in options}
    return {name: str(value) for name, value in {**options, **lists}.items() if value is not None}


def _files(file: FilePath, audio: FilePath | None) -> dict[str, Path]:
    return {"file": Path(file)} | ({"audio": Path(audio)} if audio is not None else {})


def _path(*parts: str) -> str:
    return "/".join(["v1/jobs", *(quote(part, safe="") for part in parts)])
