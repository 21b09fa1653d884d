"""What the manifest of a student's bundle says, from that of the teacher's bundle."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.inference.manifest import GraphFile, Manifest, Metric, Weights, read_manifest
from training.encoders.weights import DINOV2, EFFICIENTNET_LITE0, EFFICIENTNET_LITE2
from training.manifest import describe_graph, provenance, read_metrics

_BASE = "base"  # key of a configuration that names the teacher's bundle
_REPLACED = (DINOV2.content, EFFICIENTNET_LITE2.content)


def is_student(name: str, configs: Path) -> bool:
    """Whether a configuration describes a student's bundle."""
    return _BASE in tomllib.loads((configs / f"{name}.toml").read_text(encoding="utf-8"))


def build_student_manifest(directory: Path, *, name: str, configs: Path) -> Manifest:
    """What `directory/manifest.json` has to say, with the visual graph that lies there, after
    `configs/<name>.toml` and `configs/<name>_metrics.json`. The teacher's bundle lies beside `directory`.

    Raises OSError, ValueError or BundleError: graph, configuration or the teacher's manifest cannot be read.
    """
    config = tomllib.loads((configs / f"{name}.toml").read_text(encoding="utf-8"))
    base = read_manifest(directory.resolve().parent / config[_BASE])
    visual = describe_graph(directory / "visual.onnx", role="visual")
    return student_manifest(base, visual, config, metrics=read_metrics(configs / f"{name}_metrics.json"))


def student_manifest(
    base: Manifest, visual: GraphFile, config: Mapping[str, Any], *, metrics: tuple[Metric, ...] = ()
) -> Manifest:
    """The manifest of a bundle that has one graph of its own and shares the others with `base`.

    Args:
        base: the teacher's.
        visual: the student.
        config: name, version, created, licence, `training_command` and `training_data` of the student,
            `encoders` as far as they differ, and `student`, the fields of its `Weights`.
        metrics: as measured with the student.

    Raises ValueError: the heads of `base` do not fit what the student gives.
    """
    _check_fit(base, visual)
    shared = tuple(
        entry.model_copy(update={"bundle": entry.bundle or base.name})
        for entry in base.files
        if entry.role != "visual"
    )
    kept = (weights for weights in base.weights if weights.name not in _REPLACED)
    side = visual.inputs[0].shape[1]
    return base.model_copy(
        update={
            "name": config["name"],
            "version": config["version"],
            "created": config["created"],
            "licence": config["licence"],
            "weights": (provenance(EFFICIENTNET_LITE0), Weights(**config["student"]), *kept),
            "training_data": (
                *base.training_data,
                *(f"student: {line}" for line in config["training_data"]),
            ),
            "training_command": f"{base.training_command} && {config['training_command']}",
            "encoders": {**base.encoders, **config["encoders"]},
            "input_size": side,
            "metrics": metrics,
            "files": (visual, *shared),
        }
    )


def _check_fit(base: Manifest, visual: GraphFile) -> None:
    for wanted, found in zip(base.file("visual").outputs, visual.outputs, strict=True):
        if wanted != found:
            raise ValueError(
                f"the heads of {base.name} read {wanted.name} {list(wanted.shape)}, the student gives"
                f" {found.name} {list(found.shape)}: take the bundle that its caches were made with"
            )
