"""A bundle made from another one, with one more graph, or another graph in the place of one."""

from __future__ import annotations

import datetime
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from app.inference.manifest import (
    BUNDLE_NAME,
    MANIFEST,
    Detector,
    Explainer,
    Manifest,
    Task,
    Weights,
    read_manifest,
    sha256_of,
    write_manifest,
)
from training.loop.checkpoint import CheckpointError
from training.loop.method import Method
from training.manifest import describe_graph
from training.trained import Description, command_of

_NAME = re.compile(BUNDLE_NAME)


@dataclass(frozen=True, slots=True)
class Addition:
    """A trained head that comes into a bundle.

    Attributes:
        task: that it makes possible; its graph has the same role.
        head: as it was trained.
        graph: that it became.
        title: of the weights, in the manifest.
        told: what the manifest says of it, in the field that is called as in `Manifest`.
    """

    task: Task
    head: Method
    graph: onnx.ModelProto
    title: str
    told: Mapping[str, Detector | Explainer]


def add_head(
    bundle: Path,
    checkpoint: Path,
    out: Path,
    *,
    description: Description,
    make: Callable[[Manifest], Addition],
) -> Manifest:
    """Write a bundle that does what another one does, and what a head adds.

    Args:
        bundle: directory of the bundle that it is made from.
        checkpoint: of the head.
        out: directory of the new bundle; made if need be, and not that of the old one.
        description: of the new bundle; data and licence are those of the head.
        make: the head for a bundle with that manifest. What it raises comes before anything is written.

    Raises:
        BundleError: the bundle cannot be read.
        ValueError: both directories are the same, or no bundle can be called so.
    """
    check_new(bundle, out, description.name)
    manifest = read_manifest(bundle)
    added = make(manifest)
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)  # a server that reloads meanwhile must not take half a bundle
    kept = tuple(entry for entry in manifest.files if entry.role != added.task)
    for entry in kept:
        if entry.bundle is None:
            shutil.copyfile(bundle / entry.path, out / entry.path)
    graph = out / f"{added.task}.onnx"
    graph.write_bytes(added.graph.SerializeToString(deterministic=True))
    weights = Weights(
        name=added.title,
        licence=description.licence,
        source=checkpoint.name,
        sha256=sha256_of(checkpoint),
        note="Trained for this bundle.",
    )
    (kind,) = added.told
    data = (f"{kind}: {line}" for line in description.training_data)
    trained = command_of(added.head.method, added.head.hparams["config"])
    written = manifest.model_copy(
        update={
            "name": description.name,
            "version": description.version,
            "created": datetime.datetime.now(tz=datetime.UTC).date(),
            "tasks": tuple(dict.fromkeys((*manifest.tasks, added.task))),
            "weights": (*manifest.weights, weights),
            "training_data": (*manifest.training_data, *data),
            "training_command": f"{manifest.training_command} && {trained}",
            "files": (*kept, describe_graph(graph, role=added.task)),
            **added.told,
        }
    )
    write_manifest(written, out)
    return written


def check_new(bundle: Path, out: Path, name: str) -> None:
    """Raises ValueError if `out` is the directory of the bundle itself, or no bundle can be called `name`."""
    if out.resolve() == bundle.resolve():
        raise ValueError(f"{out} is the bundle itself: name another directory")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name for a bundle: take small letters, digits, dots, dashes and underscores"
        )


def check_shape(
    manifest: Manifest, output: str, trained_on: tuple[int, ...], *, bundle: Path, checkpoint: Path
) -> None:
    """Raises CheckpointError if encoders give an output of another shape than a head was trained on.

    The first axis is left out.
    """
    specs = (*manifest.file("visual").outputs, *manifest.file("audio").outputs)
    given = next(spec for spec in specs if spec.name == output).shape[1:]
    if given != trained_on:
        wanted, found = (" x ".join(map(str, shape)) for shape in (trained_on, given))
        raise CheckpointError(
            f"{checkpoint} was trained on {output} of {wanted}, {bundle} gives {found}: take the bundle that"
            " its caches were made with"
        )
