"""The manifest of a bundle, from its graphs, a configuration and the figures that were measured."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import onnx
from onnx import ValueInfoProto, helper

from app.inference.contract import NAME
from app.inference.manifest import (
    AudioSpec,
    Calibration,
    Detector,
    Events,
    Explainer,
    GraphFile,
    Manifest,
    Metric,
    Task,
    TensorSpec,
    Weights,
    sha256_of,
)
from training.encoders.events import EVENT_NAMES
from training.encoders.weights import (
    DINOV2,
    EFFICIENTNET_LITE2,
    IMAGENET_NAMES,
    MINILM,
    YAMNET,
    PublishedWeights,
)
from training.guided.bridge import load_bridge
from training.onnx_graph import OPSET, precision_of

CONFIGS = Path(__file__).with_name("configs")
ROLES = ("visual", "audio", "localize")
DETECT: Final = "detect"  # a graph that a bundle may have beside those, and its task
EXPLAIN: Final = "explain"  # another one
SAMPLE_RATE_HZ = 16_000  # of YAMNet
_ENCODERS = (DINOV2, EFFICIENTNET_LITE2, YAMNET)
_NAMED_BY = (MINILM, IMAGENET_NAMES)
_IN_GRAPH = "Not in the bundle: its name graph holds only which classes and events are called alike."


def build_manifest(directory: Path, *, name: str = "default", configs: Path = CONFIGS) -> Manifest:
    """What `directory/manifest.json` has to say about the graphs that lie in `directory`.

    Shapes, types, sizes and hashes come from the graphs; what they cannot tell from `configs/<name>.toml`;
    the figures from `configs/<name>_metrics.json`, which `earsight-train evaluate --write-metrics` writes.
    Nothing depends on when or where it runs.

    Raises:
        OSError: a graph or the configuration is missing.
        ValueError: a graph is not one of ours, or the configuration does not fit it.
    """
    config = tomllib.loads((configs / f"{name}.toml").read_text(encoding="utf-8"))
    detects, explains = ((directory / f"{task}.onnx").exists() for task in (DETECT, EXPLAIN))
    heads = [config["head"]]
    heads += [config["detector_head"]] if detects else []
    heads += [config["explainer_head"]] if explains else []
    named_by = _NAMED_BY if (directory / f"{NAME}.onnx").exists() else ()
    return fill_manifest(
        directory,
        config,
        weights=(
            *map(provenance, _ENCODERS),
            *(provenance(weights).model_copy(update={"note": _IN_GRAPH}) for weights in named_by),
            *(Weights(**head) for head in heads),
        ),
        metrics=read_metrics(configs / f"{name}_metrics.json"),
        detector=_detector() if detects else None,
        explainer=_explainer() if explains else None,
    )


def fill_manifest(
    directory: Path,
    config: Mapping[str, Any],
    *,
    weights: tuple[Weights, ...],
    metrics: tuple[Metric, ...] = (),
    detector: Detector | None = None,
    explainer: Explainer | None = None,
) -> Manifest:
    """A manifest of the graphs in `directory` with what a configuration, of the form of the files in
    `configs`, says about them, and where their weights are from. With a detector or an explainer there is its
    graph, too, and a name graph is taken if there is one. Raises as `build_manifest` does.
    """
    added: list[Task] = [DETECT] if detector is not None else []
    added += [EXPLAIN] if explainer is not None else []
    roles = [*ROLES, *added, *([NAME] if (directory / f"{NAME}.onnx").exists() else [])]
    files = tuple(describe_graph(directory / f"{role}.onnx", role=role) for role in roles)
    visual, audio = files[:2]
    sampling = config["sampling"]
    return Manifest(
        schema="earsight.bundle/1",
        name=config["name"],
        version=config["version"],
        created=config["created"],
        licence=config["licence"],
        tasks=("localize", *added),
        weights=weights,
        training_data=config["training_data"],
        training_command=config["training_command"],
        encoders=config["encoders"],
        input_size=_axis(visual.inputs[0], 1),
        sample_fps=sampling["sample_fps"],
        grid=(_axis(visual.outputs[0], 1), _axis(visual.outputs[0], 2)),
        audio=AudioSpec(
            sample_rate_hz=SAMPLE_RATE_HZ,
            window_samples=_axis(audio.inputs[0], 1),
            hop_samples=sampling["hop_samples"],
            context_s=sampling["context_s"],
        ),
        events=Events(labels=EVENT_NAMES, thresholds=_thresholds()),
        calibration=Calibration(**config["calibration"]),
        detector=detector,
        explainer=explainer,
        metrics=metrics,
        files=files,
    )


def describe_graph(path: Path, *, role: str) -> GraphFile:
    """The entry of one graph. Raises OSError, or ValueError if the file is not a graph of ours."""
    model = onnx.load(path, load_external_data=False)
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    return GraphFile.model_validate(
        {
            "role": role,
            "path": path.name,
            "sha256": sha256_of(path),
            "size_bytes": path.stat().st_size,
            "opset": opsets.get("", OPSET),
            "precision": precision_of(model),
            "inputs": tuple(map(_tensor, model.graph.input)),
            "outputs": tuple(map(_tensor, model.graph.output)),
        }
    )


def _tensor(value: ValueInfoProto) -> TensorSpec:
    kind = value.type.tensor_type
    shape = tuple(axis.dim_param or axis.dim_value for axis in kind.shape.dim)
    dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
    return TensorSpec(name=value.name, dtype=dtype.name, shape=shape)


def _axis(tensor: TensorSpec, index: int) -> int:
    size = tensor.shape[index]
    if isinstance(size, str):
        raise ValueError(f"axis {index} of {tensor.name} must have one size, not {size}")
    return size


def _thresholds() -> tuple[float, ...]:
    # Rounded: 0.05 as float32 would be written as 0.05000000074505806.
    return tuple(round(float(threshold), 6) for threshold in load_bridge().thresholds)


def provenance(weights: PublishedWeights) -> Weights:
    """Published weights as a manifest names them."""
    return Weights(
        name=weights.content,
        licence=weights.licence,
        source=weights.source,
        sha256=weights.sha256,
        note=weights.note,
    )


def _detector() -> Detector:
    """What is to be said of the committed detector."""
    from training.detector.shipped import described, load_shipped

    return described(load_shipped())


def _explainer() -> Explainer:
    """What is to be said of the committed explainer."""
    from training.explainer.shipped import described, load_shipped

    return described(*load_shipped())


def read_metrics(path: Path) -> tuple[Metric, ...]:
    """The measured figures; none before the first evaluation, which needs a bundle."""
    if not path.exists():
        return ()
    listed: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return tuple(map(Metric.model_validate, listed))
