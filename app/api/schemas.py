"""The documents of the API as pydantic models, for OpenAPI. Results themselves come from their writers."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.inference.manifest import Manifest, Metric, Task, Weights
from app.results.model import GroupBy, NoExplanation

Unit = Annotated[float, Field(ge=0, le=1)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ClipOptions(_Document):
    """Options of an analysis and of a job, as form fields or as query parameters."""

    fps: float | None = Field(
        None, ge=0.001, le=60, description="Frames analysed per second of video; none takes the server's."
    )
    model: str | None = Field(
        None, max_length=100, description="Name of a bundle; none takes the server's.", examples=["default"]
    )
    group_by: GroupBy = Field(
        "frame",
        description="Where JSON and NDJSON put detections: `frames[].detections` or `tracks[].frames`.",
    )
    target: str | None = Field(
        None,
        max_length=100,
        description="Name of the event to explain; none takes the one with the highest score.",
        examples=["Dog"],
    )


class AnalysisOptions(ClipOptions):
    format: str | None = Field(
        None, max_length=32, description="Format of the answer; wins over Accept.", examples=["overlay"]
    )


class Source(_Document):
    kind: Literal["video", "image"]
    width: int = Field(description="Displayed width in pixels, after rotation.")
    height: int
    rotation_deg: int
    duration_s: float
    fps: float = Field(description="Average frame rate; 0 for an image.")
    container: str
    video_codec: str
    audio_codec: str | None
    has_audio: bool
    size_bytes: int
    sha256: str


class Model(_Document):
    name: str
    version: str
    sha256: str
    provider: str = Field(description="The ONNX Runtime execution provider that was really used.")


class Sampling(_Document):
    fps: float
    frames: int | None = Field(description="Number of frames; null while the analysis runs.")


class ThresholdValues(_Document):
    heatmap: Unit
    presence: Unit
    sounding: Unit


class Warning_(_Document):
    model_config = ConfigDict(title="Warning")

    code: str = Field(examples=["no_audio_stream"])
    detail: str


class HeardEvent(_Document):
    label: str = Field(description="AudioSet name.", examples=["Dog"])
    score: Unit


class Peak(_Document):
    x: Unit = Field(description="Fraction of the displayed width.")
    y: Unit
    score: Unit


class Heatmap(_Document):
    grid: tuple[int, int] = Field(description="Rows and columns.")
    scale: tuple[float, float] = Field(description="What 0 and 255 stand for.")
    data: str = Field(description="uint8 values row by row from the top left, in base64.")
    peak: Peak


class Seen(_Document):
    """An object in a frame."""

    box: tuple[Unit, Unit, Unit, Unit] = Field(
        description="x0, y0, x1, y1 as fractions of the displayed frame.", examples=[[0.1, 0.5, 0.4, 0.9]]
    )
    score: Unit = Field(description="Confidence that there is an object of that extent.")
    sounding: Unit = Field(description="Probability that it is a source of the sound heard at that time.")
    sound: HeardEvent | None = Field(
        description="The event that it makes, by its looks, and the share of that in the evidence for any;"
        " null unless it alone sounds."
    )


class Detection(Seen):
    label: str = Field(examples=["dog"])
    track_id: int = Field(ge=1, description="The same number for the same object in all frames.")


class TrackFrame(Seen):
    time_s: float
    frame: int


class Track(_Document):
    """An object through the clip."""

    track_id: int = Field(ge=1)
    label: str
    start_s: float = Field(description="Time of the first frame that shows it.")
    end_s: float = Field(description="Time of the last frame that shows it.")
    score: Unit = Field(description="The highest of its frames.")
    sounding: Unit = Field(description="The highest of its frames.")
    sound: HeardEvent | None = Field(
        description="A vote of its frames, with the highest score of that event."
    )
    frames: tuple[TrackFrame, ...] | None = Field(
        None, description="Where it was found, with `group_by=track`; else look into `frames` of the result."
    )


class Frame(_Document):
    time_s: float = Field(description="Seconds of the displayed timeline.")
    frame: int = Field(description="Index of the frame in the source.")
    presence: Unit = Field(description="Probability that what is heard has a visible source.")
    silence: bool
    heard: tuple[HeardEvent, ...]
    heatmap: Heatmap
    detections: tuple[Detection, ...] | None = Field(
        None, description="By falling score; absent without detection or with `group_by=track`."
    )


class WhereMap(_Document):
    grid: tuple[int, int] = Field(description="Rows and columns.")
    scale: tuple[float, float] = Field(description="What 0 and 255 stand for.")
    data: str = Field(description="uint8 values step by step, row by row from the top left, in base64.")


class Areas(_Document):
    """Areas below the probability of the event while parts are hidden or shown by their weight."""

    deletion: Unit = Field(description="Most weight hidden first; small if the weights are faithful.")
    insertion: Unit = Field(description="Most weight shown first; large if the weights are faithful.")
    random_deletion: Unit = Field(description="In a random order, for comparison.")
    random_insertion: Unit
    least_deletion: Unit = Field(description="Least weight first.")
    least_insertion: Unit


class Faithfulness(_Document):
    picture: Areas = Field(description="For the cells, in the order of `where`.")
    sound: Areas = Field(description="For the steps, in the order of `when_audio`.")
    without_picture: Unit = Field(description="Probability of the event with all of the picture hidden.")
    without_sound: Unit


class Counterfactual(_Document):
    """What would be said if another sound were heard to the same pictures."""

    sound: str = Field(description="Name of that sound.", examples=["piano"])
    event: HeardEvent = Field(description="The most probable event then.")
    score: Unit = Field(description="Score of the event of the explanation then.")
    moved: Unit = Field(description="Share of the weight in `where` that goes elsewhere.")


class Explanation(_Document):
    """What speaks for an event in a stretch of the clip."""

    start_s: float
    end_s: float
    event: HeardEvent = Field(description="What is heard while its source is in sight.")
    reason: NoExplanation | None = Field(description="Why there is no explanation; null if there is one.")
    runners_up: tuple[HeardEvent, ...] = Field(description="The next most probable events.")
    time_s: tuple[float, ...] = Field(description="Times of the steps: the sampled frames looked at.")
    when_audio: tuple[Unit, ...] = Field(description="Weight of each step in the sound; sum 1.")
    when_visual: tuple[Unit, ...] = Field(description="Weight of each step in the picture; sum 1.")
    where: WhereMap = Field(description="Weight of each cell at each step; sum 1.")
    sound_share: Unit = Field(description="Share of the sound in what speaks for the event.")
    faithfulness: Faithfulness
    counterfactual: Counterfactual | None


class ResultHead(_Document):
    """First line of an NDJSON answer, and again its last line, then with the number of frames and tracks."""

    schema_: Literal["earsight.result/1"] = Field(alias="schema")
    source: Source
    model: Model
    sampling: Sampling
    thresholds: ThresholdValues
    warnings: tuple[Warning_, ...]
    tracks: tuple[Track, ...] | None = Field(None, description="By `track_id`; absent without detection.")


class ResultDocument(ResultHead):
    """A whole result."""

    frames: tuple[Frame, ...]
    explanations: tuple[Explanation, ...] | None = Field(
        description="For each stretch of some seconds; null if not asked for."
    )


class InvalidParameter(_Document):
    pointer: str
    detail: str


class Problem(_Document):
    """An error (RFC 9457). `code` is stable; `detail` is for people and may change."""

    type: str = Field(examples=["urn:earsight:problem:media_corrupt"])
    title: str
    status: int
    detail: str
    code: str = Field(examples=["media_corrupt"])
    request_id: str | None
    limit: float | int | str | None = Field(None, description="The value that was exceeded.")
    setting: str | None = Field(None, description="The setting of the server that changes the limit.")
    errors: tuple[InvalidParameter, ...] | None = None


class ModelCard(_Document):
    """A bundle in short."""

    name: str
    version: str
    created: date
    licence: str
    tasks: tuple[Task, ...]
    default: bool = Field(description="Whether it answers when a request names none.")
    loaded: bool
    input_size: int = Field(description="Side of the square frames it sees, in pixels.")
    sample_fps: float
    grid: tuple[int, int]
    weights: tuple[Weights, ...]
    metrics: tuple[Metric, ...]


class ModelList(_Document):
    models: tuple[ModelCard, ...]


class ModelDetail(_Document):
    """A bundle in full. `model` is null until the bundle has answered its first request."""

    model: Model | None
    manifest: Manifest


class Liveness(_Document):
    status: Literal["ok"] = "ok"


class CheckResult(_Document):
    ok: bool
    detail: str


class ReadinessReport(_Document):
    ready: bool
    checks: dict[str, CheckResult]


class VersionReport(_Document):
    """Versions of all that shapes a result."""

    earsight: str
    python: str
    onnxruntime: str
    av: str
    ffmpeg: dict[str, str] = Field(description="The FFmpeg libraries inside PyAV.")
    model: Model


PROBLEM_EXAMPLE = {
    "type": "urn:earsight:problem:limits_exceeded",
    "title": "A limit was exceeded",
    "status": 422,
    "detail": "frames of 8192x8192 pixels are larger than 16777216 pixels",
    "code": "limits_exceeded",
    "request_id": "8f14e45fceea167a5a36dedd4bea2543",
    "limit": 16777216,
    "setting": "EARSIGHT_LIMITS__MAX_PIXELS",
}
