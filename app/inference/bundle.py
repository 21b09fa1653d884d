"""A bundle on disk, checked, and turned into functions: see, hear, localise and, if it can, detect."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.errors import BundleError, InternalError, ModelNotReady, NotFound
from app.inference.manifest import MANIFEST, Detector, GraphFile, Manifest, read_manifest, sha256_of
from app.inference.onnx_file import refuse_external_data
from app.inference.sessions import (
    PRECISIONS,
    GraphRunner,
    Placement,
    Provider,
    ProviderMissing,
    Runner,
    cuda_missing,
    placements,
)
from app.results.model import ModelInfo
from app.settings import InferenceSettings

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

SHIPPED_BUNDLES = Path(__file__).parents[1] / "bundles"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")

# role -> (inputs, outputs), each name: dtype. The contract between the exporter and the pipeline. A localize
# graph declares those of its inputs that it reads: one needs names of what is heard, another the embedding.
GRAPHS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "visual": ({"frames": "uint8"}, {"tokens": "float32", "class_map": "float32"}),
    "audio": ({"windows": "float32"}, {"scores": "float32", "embedding": "float32"}),
    "localize": (
        {"tokens": "float32", "class_map": "float32", "events": "float32", "embedding": "float32"},
        {"heatmap": "float32", "presence": "float32"},
    ),
    "detect": (
        {"tokens": "float32", "class_map": "float32"},
        {"boxes": "float32", "scores": "float32", "labels": "int64"},
    ),
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A loaded bundle. Its methods may be called from any thread and raise InternalError if a graph fails."""

    manifest: Manifest
    info: ModelInfo
    runners: Mapping[str, Runner]

    def visual(self, frames: npt.NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Encode frames (N, S, S, 3) uint8 RGB.

        Returns:
            Tokens (N, G, G, Dv) and class map (N, H, W, C), a softmax over C at each location.
        """
        outputs = self.runners["visual"].run({"frames": frames})
        return outputs["tokens"], outputs["class_map"]

    def audio(self, windows: Floats) -> tuple[Floats, Floats]:
        """Encode windows of sound (W, `manifest.audio.window_samples`) in [-1, 1].

        Returns:
            Event scores (W, E) in [0, 1] and embeddings (W, Da).
        """
        outputs = self.runners["audio"].run({"windows": windows})
        return outputs["scores"], outputs["embedding"]

    def localize(
        self, tokens: Floats, class_map: Floats, events: Floats, embedding: Floats
    ) -> tuple[Floats, Floats]:
        """Tell where a sound, events (N, E) and embedding (N, Da), comes from in frames encoded by `visual`.

        Returns:
            Calibrated heatmap (N, G, G) and presence (N,), both in [0, 1].
        """
        offered = {"tokens": tokens, "class_map": class_map, "events": events, "embedding": embedding}
        read = self.manifest.file("localize").inputs
        outputs = self.runners["localize"].run({spec.name: offered[spec.name] for spec in read})
        return outputs["heatmap"], outputs["presence"]

    def detect(self, tokens: Floats, class_map: Floats) -> tuple[Floats, Floats, Integers]:
        """Find objects in frames encoded by `visual`; for a bundle that offers the task `detect`.

        Every frame has the same number of rows L. Of boxes that show the same object all but the best have
        the score 0 already; those below `detector.threshold` mean nothing.

        Returns:
            Boxes (N, L, 4), x0, y0, x1, y1 as fractions of the frame; scores (N, L) in [0, 1]; labels (N, L),
            indices into `detector.labels`.
        """
        offered = {"tokens": tokens, "class_map": class_map}
        read = self.manifest.file("detect").inputs
        outputs = self.runners["detect"].run({spec.name: offered[spec.name] for spec in read})
        return outputs["boxes"], outputs["scores"], outputs["labels"]

    @property
    def detector(self) -> Detector:
        """Labels and thresholds of `detect`. Raises BundleError if the bundle does not offer that task."""
        return _detector(self.manifest)


def bundle_names(settings: InferenceSettings) -> tuple[str, ...]:
    """Names of all bundles on disk, sorted. Nothing is loaded or checked."""
    found = {
        path.parent.name
        for root in _roots(settings)
        for path in root.glob(f"*/{MANIFEST}")
        if _NAME.fullmatch(path.parent.name)
    }
    return tuple(sorted(found))


def find_bundle(name: str, settings: InferenceSettings) -> Path:
    """The directory of a bundle: in `settings.bundle_dirs`, then among those that ship with Earsight.

    A name comes from outside and is never taken for a path. Raises NotFound.
    """
    if _NAME.fullmatch(name):
        for root in _roots(settings):
            if (root / name / MANIFEST).is_file():
                return root / name
    known = ", ".join(bundle_names(settings)) or "none"
    raise NotFound(
        f"there is no bundle {name[:64]!r}; bundles: {known}", setting="EARSIGHT_INFERENCE__BUNDLE_DIRS"
    )


def load_bundle(directory: Path, settings: InferenceSettings) -> Bundle:
    """Check a bundle, build its sessions on the device of the settings, and run every batch size once.

    Raises:
        BundleError: a file is missing, altered, refers to other files, or is not what the manifest says.
        ModelNotReady: the device `cuda` was asked for and no GPU answers.
    """
    manifest = read_manifest(directory)
    if "detect" in manifest.tasks:
        _detector(manifest)
    placement, runners = _place(manifest, _read_files(directory, manifest), settings)
    info = ModelInfo(
        name=manifest.name,
        version=manifest.version,
        sha256=sha256_of(directory / MANIFEST),
        provider=placement.provider,
    )
    bundle = Bundle(manifest, info, runners)
    try:
        _warm_up(bundle, settings)
    except InternalError as error:
        raise BundleError(f"bundle {manifest.name} does not run: {error.detail}") from error
    fields = {"bundle": info.name, "version": info.version, "provider": info.provider}
    logger.info("bundle_loaded", extra=fields)
    return bundle


def _detector(manifest: Manifest) -> Detector:
    if manifest.detector is None:
        raise BundleError(f"the manifest of bundle {manifest.name} describes no detector")
    return manifest.detector


def _roots(settings: InferenceSettings) -> tuple[Path, ...]:
    return (*settings.bundle_dirs, SHIPPED_BUNDLES)


def _read_verified(directory: Path, entry: GraphFile) -> bytes:
    path, name = directory / entry.path, f"{directory.name}/{entry.path}"
    # The size first: it bounds what is read when the name leads to something else entirely.
    if not path.is_file() or path.stat().st_size != entry.size_bytes:
        raise BundleError(f"{name} is missing or has not the {entry.size_bytes} bytes of the manifest")
    model = path.read_bytes()
    if hashlib.sha256(model).hexdigest() != entry.sha256:
        raise BundleError(f"{name} is damaged: its sha256 is not the one in the manifest")
    refuse_external_data(model, name=name)
    return model


def _read_files(directory: Path, manifest: Manifest) -> dict[str, bytes]:
    """Every file of the manifest, checked, also the variants that will not run here."""
    return {entry.path: _read_verified(directory, entry) for entry in manifest.files}


def _place(
    manifest: Manifest, models: dict[str, bytes], settings: InferenceSettings
) -> tuple[Placement, dict[str, GraphRunner]]:
    """The graphs on the first placement that works."""
    candidates = placements(settings)
    for placement in candidates:
        try:
            return placement, _open(manifest, models, placement)
        except ProviderMissing as error:
            if settings.device == "cuda":
                raise cuda_missing(str(error)) from error
            logger.warning("gpu_unavailable", extra={"detail": str(error)})
    raise ModelNotReady("no execution provider of this ONNX Runtime works")


def _open(manifest: Manifest, models: dict[str, bytes], placement: Placement) -> dict[str, GraphRunner]:
    runners = {}
    for role, (inputs, outputs) in GRAPHS.items():
        if role == "detect" and role not in manifest.tasks:
            continue
        entry = _choose(manifest, role, placement.provider)
        _check_contract(entry, role, inputs=inputs, outputs=outputs)
        runners[role] = GraphRunner(models[entry.path], entry, placement=placement)
    return runners


def _check_contract(
    entry: GraphFile, role: str, *, inputs: Mapping[str, str], outputs: Mapping[str, str]
) -> None:
    """Raises BundleError if the manifest declares other inputs or outputs than a graph of that role has."""
    for kind, expected, declared in (("input", inputs, entry.inputs), ("output", outputs, entry.outputs)):
        found = {spec.name: spec.dtype for spec in declared}
        if found == expected:
            continue
        if role in ("localize", "detect") and kind == "input" and found and found.items() <= expected.items():
            continue
        raise BundleError(f"{entry.path}: {kind}s {found}, but a {role} graph has {dict(expected)}")


def _choose(manifest: Manifest, role: str, provider: Provider) -> GraphFile:
    """Of the files with that role, the precision that the device runs best."""
    by_precision: dict[str, GraphFile] = {}
    for entry in manifest.files:
        if entry.role == role and by_precision.setdefault(entry.precision, entry) is not entry:
            raise BundleError(f"bundle {manifest.name} has two {role} graphs in {entry.precision}")
    for precision in PRECISIONS[provider]:
        if precision in by_precision:
            return by_precision[precision]
    raise BundleError(f"bundle {manifest.name} has no {role} graph")


def _warm_up(bundle: Bundle, settings: InferenceSettings) -> None:
    """Run every batch size that will occur, and hold the outputs against the manifest. Raises BundleError."""
    manifest = bundle.manifest
    size, grid, n_events = manifest.input_size, manifest.grid, len(manifest.events.labels)
    if len(manifest.events.thresholds) != n_events:
        raise BundleError(f"bundle {manifest.name} has {n_events} events with other thresholds")
    for count in _batch_sizes(bundle, settings):
        tokens, class_map = bundle.visual(np.zeros((count, size, size, 3), np.uint8))
        scores, embedding = bundle.audio(np.zeros((count, manifest.audio.window_samples), np.float32))
        _expect("tokens", tokens, (count, *grid, tokens.shape[-1]))
        _expect("class_map", class_map, (count, *class_map.shape[1:]))
        _expect("scores", scores, (count, n_events))
        _expect("embedding", embedding, (count, embedding.shape[-1]))
        heatmap, presence = bundle.localize(tokens, class_map, scores, embedding)
        _expect("heatmap", heatmap, (count, *grid))
        _expect("presence", presence, (count,))
        for name, values in (("scores", scores), ("heatmap", heatmap), ("presence", presence)):
            _expect_unit(name, values)
        if "detect" in manifest.tasks:
            _warm_up_detect(bundle, tokens, class_map)


def _warm_up_detect(bundle: Bundle, tokens: Floats, class_map: Floats) -> None:
    """The same for the detect graph, which warms up on what the visual graph made of black frames."""
    boxes, scores, labels = bundle.detect(tokens, class_map)
    rows = (len(tokens), *scores.shape[1:2])  # so many boxes as the graph likes, but a score and a label each
    _expect("boxes", boxes, (*rows, 4))
    _expect("scores", scores, rows)
    _expect("labels", labels, rows)
    _expect_unit("boxes", boxes)
    _expect_unit("scores", scores)
    known = len(bundle.detector.labels)
    if labels.size and (labels.min() < 0 or labels.max() >= known):
        raise BundleError(f"labels reach from {labels.min()} to {labels.max()}, but {known} have a name")


def _batch_sizes(bundle: Bundle, settings: InferenceSettings) -> tuple[int, ...]:
    buckets = bundle.runners["visual"].buckets
    return buckets or tuple(sorted({1, settings.batch_frames}))


def _expect(name: str, values: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise BundleError(f"{name} has the shape {values.shape}, expected {shape}")
    if not np.isfinite(values).all():
        raise BundleError(f"{name} is not finite")


def _expect_unit(name: str, values: Floats) -> None:
    if values.size and (values.min() < 0 or values.max() > 1):
        raise BundleError(f"{name} leaves [0, 1]")
