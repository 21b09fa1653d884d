"""The first runs of a bundle, with outputs held against the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from app.errors import BundleError
from app.inference.contract import Versions
from app.settings import InferenceSettings

if TYPE_CHECKING:
    from app.inference.bundle import Bundle

Floats = npt.NDArray[np.float32]

_SUM_TOLERANCE = 0.01  # of weights that were computed in half precision


def warm_up(bundle: Bundle, settings: InferenceSettings) -> None:
    """Run each graph, on a GPU with every batch size that will occur, and hold the outputs against the
    manifest. Raises BundleError."""
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
        if bundle.names:
            evidence = bundle.name(class_map.mean(axis=(1, 2)), scores)
            _expect("evidence", evidence, scores.shape)
            _expect_unit("evidence", evidence)
    if "explain" in manifest.tasks:
        _warm_up_explain(bundle, tokens[:1], class_map[:1], embedding[:1])


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


def _warm_up_explain(bundle: Bundle, tokens: Floats, class_map: Floats, embedding: Floats) -> None:
    """The same for the explain graph, with a clip of as many steps as there can be, all alike."""
    explainer, grid = bundle.explainer, bundle.manifest.grid
    n_steps, n_events = explainer.steps, len(bundle.manifest.events.labels)
    cells, steps = np.ones((1, n_steps, *grid), np.float32), np.ones((1, n_steps), np.float32)
    zero = np.zeros(1, np.float32)
    tokens, class_map, window = (np.repeat(part, n_steps, axis=0) for part in (tokens, class_map, embedding))
    heat = np.zeros((n_steps, *grid), np.float32)
    found = bundle.explain(tokens, class_map, window, heat, versions=Versions(cells, steps, zero, zero))
    _expect("scores", found.scores, (n_events,))
    _expect_unit("scores", found.scores)
    for name in ("logits", "by_sight", "by_sound"):
        _expect(name, getattr(found, name), (1,))
    for name, shape in (("when_audio", ()), ("when_visual", ()), ("where", grid)):
        _expect_shares(name, getattr(found, name), (n_steps, *shape))
    n_references = len(explainer.references)
    _expect("reference_events", found.reference_events, (n_references, n_events))
    _expect("reference_window", found.reference_window, (n_references, embedding.shape[-1]))
    _expect("chosen", found.chosen, ())
    if not 0 <= found.chosen < n_events:
        raise BundleError(f"chosen is {found.chosen}, but {n_events} events have a name")


def _batch_sizes(bundle: Bundle, settings: InferenceSettings) -> tuple[int, ...]:
    """All those that a GPU plans for; a processor plans for none, so two frames show what a batch does."""
    return bundle.runners["visual"].buckets or (min(2, settings.batch_frames),)


def _expect(name: str, values: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise BundleError(f"{name} has the shape {values.shape}, expected {shape}")
    if not np.isfinite(values).all():
        raise BundleError(f"{name} is not finite")


def _expect_unit(name: str, values: Floats) -> None:
    if values.size and (values.min() < 0 or values.max() > 1):
        raise BundleError(f"{name} leaves [0, 1]")


def _expect_shares(name: str, values: Floats, shape: tuple[int, ...]) -> None:
    _expect(name, values, shape)
    _expect_unit(name, values)
    if abs(values.sum() - 1) > _SUM_TOLERANCE:
        raise BundleError(f"{name} sums to {values.sum():g}, expected 1")
