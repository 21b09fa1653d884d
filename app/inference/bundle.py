"""A bundle on disk, checked, and turned into functions: see, hear, localise and what else it can."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.errors import BundleError, InternalError, ModelNotReady, NotFound
from app.inference.contract import GRAPHS, NAME, OPTIONAL, Explained, Versions, check_contract
from app.inference.graph_files import read_graphs
from app.inference.manifest import (
    BUNDLE_NAME,
    MANIFEST,
    Detector,
    Explainer,
    GraphFile,
    Manifest,
    read_manifest,
    sha256_of,
)
from app.inference.sessions import (
    CPU,
    PRECISIONS,
    GraphRunner,
    Placement,
    Provider,
    ProviderMissing,
    Runner,
    gpu_missing,
    placements,
)
from app.inference.warm_up import warm_up
from app.results.model import ModelInfo
from app.settings import InferenceSettings

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

SHIPPED_BUNDLES = Path(__file__).parents[1] / "bundles"

_NAME = re.compile(BUNDLE_NAME)


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
        outputs = self._run(
            "localize", tokens=tokens, class_map=class_map, events=events, embedding=embedding
        )
        return outputs["heatmap"], outputs["presence"]

    def detect(self, tokens: Floats, class_map: Floats) -> tuple[Floats, Floats, Integers]:
        """Find objects in frames encoded by `visual`; for a bundle that offers the task `detect`.

        Every frame has the same number of rows L. Of boxes that show the same object all but the best have
        the score 0 already; those below `detector.threshold` mean nothing.

        Returns:
            Boxes (N, L, 4), x0, y0, x1, y1 as fractions of the frame; scores (N, L) in [0, 1]; labels (N, L),
            indices into `detector.labels`.
        """
        outputs = self._run("detect", tokens=tokens, class_map=class_map)
        return outputs["boxes"], outputs["scores"], outputs["labels"]

    def name(self, looks: Floats, events: Floats) -> Floats:
        """Tell which events M things make; for a bundle that `names`.

        Args:
            looks: (M, C), the mean class map inside the box of each.
            events: (M, E), what is heard.

        Returns:
            Evidence (M, E) for each event, a share of the sum of all; 0 throughout if nothing is heard.
        """
        return self._run(NAME, looks=looks, events=events)["evidence"]

    def explain(
        self,
        tokens: Floats,
        class_map: Floats,
        window: Floats,
        heat: Floats,
        *,
        versions: Versions,
        target: int = -1,
    ) -> Explained:
        """Say which event a clip of T steps shows, and why; for a bundle that offers the task `explain`.

        Args:
            tokens, class_map: of the pictures, from `visual`.
            window: (T, Da), embedding of the one window of sound nearest to each step.
            heat: (T, G, G), heatmap of `localize`.
            versions: with which parts hidden the event is to be judged.
            target: index of the event to be explained, or -1 for the one with the highest score.
        """
        outputs = self._run(
            "explain",
            tokens=tokens,
            class_map=class_map,
            window=window,
            heat=heat,
            **versions._asdict(),
            target=np.array(target, np.int64),
        )
        return Explained(**outputs)

    @property
    def names(self) -> bool:
        """Whether the bundle has a graph that names sounds of things."""
        return NAME in self.runners

    @property
    def detector(self) -> Detector:
        """Labels and thresholds of `detect`. Raises BundleError if the bundle does not offer that task."""
        return _detector(self.manifest)

    @property
    def explainer(self) -> Explainer:
        """Steps and thresholds of `explain`. Raises BundleError if the bundle does not offer that task."""
        return _explainer(self.manifest)

    def _run(self, role: str, **offered: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Run a graph on those of the arrays that it reads."""
        read = self.manifest.file(role).inputs
        return self.runners[role].run({spec.name: offered[spec.name] for spec in read})


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


def load_bundle(directory: Path, settings: InferenceSettings, *, beside: Sequence[Bundle] = ()) -> Bundle:
    """Check a bundle, build its sessions on the device of the settings, and warm them up.

    Args:
        directory: of the bundle. Graphs that it shares are looked for beside it, then as `find_bundle` does.
        settings: device, threads and directories.
        beside: bundles loaded with the same settings; a graph that one of them runs is not loaded again.

    Raises:
        BundleError: a file is missing, altered, refers to other files, or is not what the manifest says.
        ModelNotReady: a GPU was asked for and none answers.
    """
    manifest = read_manifest(directory)
    if "detect" in manifest.tasks:
        _detector(manifest)
    if "explain" in manifest.tasks:
        _explainer(manifest)
    models = read_graphs(directory, manifest, roots=_roots(settings))
    placement, runners = _place(manifest, models, settings, beside=beside)
    info = ModelInfo(
        name=manifest.name,
        version=manifest.version,
        sha256=sha256_of(directory / MANIFEST),
        provider=placement.provider,
    )
    bundle = Bundle(manifest, info, runners)
    try:
        warm_up(bundle, settings)
    except InternalError as error:
        raise BundleError(f"bundle {manifest.name} does not run: {error.detail}") from error
    fields = {"bundle": info.name, "version": info.version, "provider": info.provider}
    logger.info("bundle_loaded", extra=fields)
    return bundle


def _detector(manifest: Manifest) -> Detector:
    if manifest.detector is None:
        raise BundleError(f"the manifest of bundle {manifest.name} describes no detector")
    return manifest.detector


def _explainer(manifest: Manifest) -> Explainer:
    if manifest.explainer is None:
        raise BundleError(f"the manifest of bundle {manifest.name} describes no explainer")
    return manifest.explainer


def _roots(settings: InferenceSettings) -> tuple[Path, ...]:
    return (*settings.bundle_dirs, SHIPPED_BUNDLES)


def _place(
    manifest: Manifest, models: dict[str, bytes], settings: InferenceSettings, *, beside: Sequence[Bundle]
) -> tuple[Placement, dict[str, Runner]]:
    """The graphs on the first placement that works."""
    candidates = placements(settings)
    for placement in candidates:
        try:
            return placement, _open(manifest, models, placement, beside=beside)
        except ProviderMissing as error:
            if settings.device != "auto":
                raise gpu_missing(settings, str(error)) from error
            logger.warning("gpu_unavailable", extra={"detail": str(error)})
    raise ModelNotReady("no execution provider of this ONNX Runtime works")


def _open(
    manifest: Manifest, models: dict[str, bytes], placement: Placement, *, beside: Sequence[Bundle]
) -> dict[str, Runner]:
    def open_graph(role: str) -> Runner:
        inputs, outputs = GRAPHS[role]
        entry = _choose(manifest, role, placement.provider)
        check_contract(entry, role, inputs=inputs, outputs=outputs)
        place = replace(placement, alone=role == "visual")  # the only graph that takes long for one row
        if role == "explain":  # which takes one clip at a time, so there is no batch to be cut or padded
            place = replace(place, buckets=(), streams=1)
        running = _running(entry, placement.provider, beside)
        return running or GraphRunner(models[entry.sha256], entry, placement=place)

    roles = [role for role in GRAPHS if _offers(manifest, role)]
    # On a GPU one after the other: some measure there which kernels are fastest.
    with ThreadPoolExecutor(placement.threads if placement.provider == CPU else 1) as pool:
        return dict(zip(roles, pool.map(open_graph, roles), strict=True))


def _offers(manifest: Manifest, role: str) -> bool:
    if role == NAME:
        return any(entry.role == role for entry in manifest.files)
    return role not in OPTIONAL or role in manifest.tasks


def _running(entry: GraphFile, provider: Provider, beside: Sequence[Bundle]) -> Runner | None:
    """The same graph in a bundle that is loaded on that provider."""
    for bundle in beside:
        runner = bundle.runners.get(entry.role)
        if runner is None or bundle.info.provider != provider:
            continue
        if runner.entry.model_copy(update={"bundle": entry.bundle}) == entry:
            return runner
    return None


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
