"""The documents of jobs as pydantic models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.api.schemas import ClipOptions, Model, Unit
from app.inference.manifest import Task
from app.jobs.record import Stage, Status


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _split(value: Any) -> Any:
    """`a, b` as a list; names that are repeated count once."""
    if not isinstance(value, str):
        return value
    return list(dict.fromkeys(name.strip() for name in value.split(",")))


def _listed(model_schema: dict[str, Any]) -> None:
    """In a form a list is text."""
    description, examples = model_schema["description"], model_schema["examples"]
    model_schema.clear()
    model_schema.update(type="string", description=description, examples=examples)


class JobOptions(ClipOptions):
    tasks: Annotated[tuple[Task, ...] | None, BeforeValidator(_split)] = Field(
        None,
        description="What to compute, separated by commas; none takes all that the bundle offers.",
        examples=["localize,detect"],
        json_schema_extra=_listed,
    )
    formats: Annotated[tuple[str, ...] | None, BeforeValidator(_split)] = Field(
        None,
        description="Formats to make, separated by commas; none takes all but the overlay.",
        examples=["json,overlay"],
        json_schema_extra=_listed,
    )
    webhook: str | None = Field(
        None,
        max_length=1000,
        description="https URL that is told of the end.",
        examples=["https://example.com/hook"],
    )


class JobProgress(_Document):
    stage: Stage
    fraction: Unit = Field(description="Of the stage.")
    frames_done: int
    frames_total: int | None = Field(description="An estimate; null until it is known.")


class JobInput(_Document):
    bytes: int = Field(description="Of all files of the upload.")
    sha256: str = Field(description="Of the clip.")
    duration_s: float | None = Field(description="This and the rest is null until the clip has been opened.")
    width: int | None
    height: int | None
    fps: float | None
    has_audio: bool | None


class JobError(_Document):
    """Why a job failed: a problem (RFC 9457) without a status."""

    type: str = Field(examples=["urn:earsight:problem:media_corrupt"])
    title: str
    detail: str
    code: str = Field(examples=["media_corrupt"])
    limit: float | int | str | None = Field(None, description="The value that was exceeded.")
    setting: str | None = Field(None, description="The setting of the server that changes the limit.")


class JobArtifact(_Document):
    name: str = Field(examples=["result.json"])
    media_type: str
    bytes: int
    sha256: str
    href: str


class JobLinks(_Document):
    self: str
    events: str
    result: str
    cancel: str


class JobDocument(_Document):
    """A job. `succeeded`, `failed` and `canceled` are final, except that `expired` follows them."""

    id: str = Field(examples=["job_01JDG1Z9T7RZ3E4W2VNB8X5KQM"])
    status: Status
    progress: JobProgress
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None = Field(description="When input and results are removed.")
    attempt: int = Field(description="How often it was begun.")
    tasks: tuple[Task, ...]
    formats: tuple[str, ...]
    input: JobInput
    model: Model | None = Field(description="Null until it has begun.")
    error: JobError | None
    artifacts: tuple[JobArtifact, ...]
    links: JobLinks


class JobListLinks(_Document):
    self: str
    next: str | None = Field(description="The jobs before these; null if there are none.")


class JobList(_Document):
    """The newest comes first."""

    jobs: tuple[JobDocument, ...]
    links: JobListLinks
