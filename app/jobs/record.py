"""What is known of a job: what was asked for, how far it is, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ulid import ULID

from app.inference.manifest import Task
from app.results.model import GroupBy

Status = Literal["queued", "running", "succeeded", "failed", "canceled", "expired"]
Stage = Literal["queued", "probe", "analyze", "encode", "done"]

ENDED: frozenset[Status] = frozenset({"succeeded", "failed", "canceled", "expired"})
"""States that a job does not leave, except that `expired` follows the others when the results are removed."""

PREFIX = "job_"


def new_job_id() -> str:
    """`job_` and a ULID: 26 characters of Crockford's base 32 that sort by time."""
    return PREFIX + str(ULID())


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a client asked for, checked.

    Attributes:
        tasks: what to compute; empty for all that the bundle offers.
        model: name of the bundle; None takes the default one at the time the job runs.
        fps, target, group_by: as in `AnalyzeOptions`.
        formats: names of the artifacts to make, keys of `app.results.formats.FORMATS`.
        webhook: URL to call at the end.
    """

    tasks: tuple[Task, ...] = ()
    model: str | None = None
    fps: float | None = None
    target: str | None = None
    group_by: GroupBy = "frame"
    formats: tuple[str, ...] = ("json", "ndjson", "npz", "vtt")
    webhook: str | None = None


@dataclass(frozen=True, slots=True)
class JobInput:
    """What was uploaded.

    Attributes:
        size_bytes: of both files.
        sha256: of the clip.
        has_separate_audio: whether a sound file came with it.
        facts: `duration_s`, `width`, `height`, `fps`, `has_audio`; None until a worker has opened it.
    """

    size_bytes: int
    sha256: str
    has_separate_audio: bool
    facts: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Attributes: fraction: of the stage, in [0, 1]. frames_total: an estimate; None until it is known."""

    stage: Stage = "queued"
    fraction: float = 0.0
    frames_done: int = 0
    frames_total: int | None = None


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that a job made."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of a worker to work on a job; everything it writes about the job names it.

    A lease ends when the job is finished or put back, or when it was not renewed in time and somebody else
    took the job: then `attempt` or `worker` differ, and what is written under it is dropped.
    """

    job_id: str
    worker: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the store has it. Times are UTC.

    Attributes:
        owner: label of the API key that brought it; "" without keys. Nobody else sees the job.
        attempt: how often it was begun.
        cancel_requested: the client wants it to end.
        long: its clip is longer than `jobs.long_s`, as a worker found out.
        model: name, version, sha256 and provider of the bundle that worked on it.
        error: problem document of a failed job.
        expires_at: when input and artifacts go; None while it has not ended.
        request_id: of the request that brought it, for the logs.
        traceparent: of that request (W3C Trace Context).
    """

    id: str
    owner: str
    status: Status
    request: JobRequest
    input: JobInput
    created_at: datetime
    progress: Progress = Progress()
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None
    attempt: int = 0
    cancel_requested: bool = False
    long: bool = False
    model: dict[str, str] | None = None
    error: dict[str, Any] | None = None
    artifacts: tuple[Artifact, ...] = ()
    request_id: str | None = None
    traceparent: str | None = None

    @property
    def ended(self) -> bool:
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job; `number` grows by one within a job, from 1.

    Kinds: `state` (the job in short), `progress`, `partial` (how many lines of the running result there are),
    `done` (the last one).
    """

    job_id: str
    number: int
    kind: Literal["state", "progress", "partial", "done"]
    data: dict[str, Any]
