"""`manifest.json`: what a bundle says of itself. The only contract between training and serving."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import BundleError

MANIFEST = "manifest.json"
BUNDLE_NAME = r"^[a-z0-9][a-z0-9._-]*$"
Task = Literal["localize", "detect", "explain"]
Precision = Literal["fp32", "fp16", "int8"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TensorSpec(_Part):
    """An input or output of a graph; a dynamic axis is given by name: `["N", 16, 16, 384]`."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


class GraphFile(_Part):
    """One ONNX file of the bundle. `role` is visual, audio, localize, detect, name or explain.

    With `bundle` the file lies in the directory of another bundle, which need not be loaded: bundles that
    differ in one graph keep the others once.
    """

    role: str
    bundle: str | None = Field(None, pattern=BUNDLE_NAME, exclude_if=lambda name: name is None)
    path: str = Field(pattern=r"^[A-Za-z0-9._-]+\.onnx$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size_bytes: int = Field(gt=0)
    opset: int
    precision: Precision
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class Weights(_Part):
    """Where a set of weights comes from and under which licence it is passed on."""

    name: str
    licence: str
    source: str
    sha256: str | None = None
    note: str = ""


class AudioSpec(_Part):
    """Windows fed to the audio graph, and the stretch of sound that speaks for a frame."""

    sample_rate_hz: int
    window_samples: int
    hop_samples: int
    context_s: float = Field(gt=0, description="A frame hears the windows within context_s / 2 of its time.")


class Events(_Part):
    """Names of the audio events in the order of the audio graph, and the score from which each counts."""

    labels: tuple[str, ...]
    thresholds: tuple[float, ...]


class Calibration(_Part):
    heatmap_threshold: float = Field(0.5, gt=0, lt=1)
    presence_threshold: float = Field(0.5, gt=0, lt=1)
    fitted_on: str


class Sounding(_Part):
    """When a box sounds: sigmoid(scale * logit(u) + offset), at or above the threshold.

    u is how far box and heat cover each other, see `app.pipeline.detect.heat_overlap`, clipped to
    [0.001, 0.999].
    """

    scale: float = Field(gt=0)
    offset: float
    threshold: float = Field(0.5, gt=0, lt=1)


class Detector(_Part):
    """What the detect graph does not say itself: names of its labels, and from which score a box counts."""

    labels: tuple[str, ...] = Field(min_length=1)
    threshold: float = Field(gt=0, lt=1)
    sounding: Sounding


class Explainer(_Part):
    """What the explain graph does not say itself.

    Attributes:
        step_s: time between two steps of a stretch of a clip that is explained at once.
        steps: how many it has at most.
        threshold: score from which an event of such a stretch counts.
        vague: entropy of `when_audio` and `when_visual`, as a share of that of equal weights, above which no
            moment stands out.
        presence: largest presence of all steps below which nothing in sight is a source.
        references: names of the sounds that can take the place of the clip's own, in the order of the graph.
    """

    step_s: float = Field(0.5, gt=0)
    steps: int = Field(20, ge=2)
    threshold: float = Field(ge=0, le=1)
    vague: float = Field(gt=0, le=1)
    presence: float = Field(ge=0, le=1)
    references: tuple[str, ...] = Field(min_length=1)


class Metric(_Part):
    """A measured figure: what, on which data, over how many items, with its 95 % interval."""

    name: str
    value: float
    dataset: str
    n: int
    low: float | None = None
    high: float | None = None
    note: str = ""


class Manifest(_Part):
    schema_: Literal["earsight.bundle/1"] = Field("earsight.bundle/1", alias="schema")
    name: str = Field(pattern=BUNDLE_NAME)
    version: str
    created: date
    licence: str
    tasks: tuple[Task, ...]
    weights: tuple[Weights, ...]
    training_data: tuple[str, ...]
    training_command: str
    encoders: dict[str, str]
    input_size: int = Field(gt=0, description="Side S of the square frames, in pixels.")
    sample_fps: float = Field(gt=0)
    grid: tuple[int, int]
    audio: AudioSpec
    events: Events
    calibration: Calibration
    detector: Detector | None = None
    explainer: Explainer | None = None
    metrics: tuple[Metric, ...]
    files: tuple[GraphFile, ...]

    def file(self, role: str) -> GraphFile:
        """The graph with that role. Raises BundleError if there is none."""
        for entry in self.files:
            if entry.role == role:
                return entry
        raise BundleError(f"bundle {self.name} has no {role} graph")


def read_manifest(directory: Path) -> Manifest:
    """Read and check `directory/manifest.json`. Raises BundleError."""
    try:
        return Manifest.model_validate_json((directory / MANIFEST).read_bytes())
    except OSError as error:
        raise BundleError(f"no readable {MANIFEST} in {directory}") from error
    except ValidationError as error:
        raise BundleError(f"{directory / MANIFEST}: {error}") from error


def write_manifest(manifest: Manifest, directory: Path) -> None:
    """Write `directory/manifest.json`, one field a line, so that changes can be reviewed."""
    text = manifest.model_dump_json(indent=2, by_alias=True)
    (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")


def sha256_of(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
