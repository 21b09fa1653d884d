"""What a trial measures on: one moment of each example whose source is known and in sight, with its sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.cache.index import CacheError
from training.cache.moments import Moment, Moments, moment_places
from training.cache.reading import Cache
from training.data.examples import Facts
from training.evaluation.boxes import MapScore, score_maps, score_mask
from training.evaluation.sounds import Localizer
from training.methods.judging import IN_SIGHT
from training.methods.moments import AUDIBLE
from training.metrics.baselines import centre_disc, whole_image
from training.metrics.masks import SIDE, upsample

_BATCH = 32


@dataclass(frozen=True, slots=True)
class Gallery:
    """Encoded moments, one an example.

    Attributes:
        name: of the cache's directory.
        moments: `tokens` (N, G, G, Dv), `events` (N, E), `embedding` (N, Da), and `class_map` (N, H, W, C) if
            the cache has it; in half precision.
        truths: (N, SIDE, SIDE) bool, cells of which at least `IN_SIGHT` belongs to the source.
        facts: of the examples.
        places: example and frame of each moment in the cache.
    """

    name: str
    moments: Moment
    truths: np.ndarray
    facts: tuple[Facts, ...]
    places: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.facts)

    @property
    def groups(self) -> np.ndarray:
        """(N,) number of the video or scene that each moment is from: the unit of resampling."""
        names = [facts.group or facts.scene or facts.id for facts in self.facts]
        return np.unique(names, return_inverse=True)[1]

    def others(self) -> Tensor:
        """(N,) for each moment another one whose labels have nothing in common with its own, if there is."""
        labels = [frozenset(facts.labels) for facts in self.facts]
        n = len(self)
        chosen = []
        for index, own in enumerate(labels):
            order = [(index + n // 2 + step) % n for step in range(n)]
            chosen.append(next((k for k in order if k != index and not own & labels[k]), order[0]))
        return torch.tensor(chosen)

    def maps(self, localize: Localizer, *, sounds: Tensor | None = None) -> np.ndarray:
        """Heatmaps (N, G, G) under the own sounds, or under those of the moments `sounds` (N,)."""
        heard = torch.arange(len(self)) if sounds is None else sounds
        parts = []
        for rows in torch.arange(len(self)).split(_BATCH):
            seen = [self.moments[name][rows].float().numpy() for name in ("tokens", "class_map")]
            listened = [self.moments[name][heard[rows]].float().numpy() for name in ("events", "embedding")]
            parts.append(localize(*seen, *listened)[0])
        return np.concatenate(parts)

    def scores(self, maps: np.ndarray) -> list[MapScore]:
        """Score maps (N, G, G) at (SIDE, SIDE) pixels."""
        return [score_maps(truth, upsample(one)[None]) for truth, one in zip(self.truths, maps, strict=True)]

    def trivial(self) -> dict[str, list[MapScore]]:
        """Predictors without a model."""
        whole, disc = whole_image() > 0, centre_disc()
        return {
            "whole image": [score_mask(truth, whole) for truth in self.truths],
            "centre disc": [score_maps(truth, disc[None]) for truth in self.truths],
        }


def gallery_of(cache: Cache, name: str) -> Gallery:
    """Of each example of a cache the moment in the middle of those that can be measured.

    Raises CacheError: it cannot be read, or nothing in it can be measured.
    """
    classes = "class_map" in cache.fields
    moments = Moments(cache, judged_only=True, class_map=classes, in_memory=True, dtype=torch.float16)
    table = moments.table()
    cover = table["cover"][:, 0]
    usable = table["sounding"] & (table["events"].amax(1) >= AUDIBLE) & (cover.amax((1, 2)) >= IN_SIGHT)
    rows = middle_rows(table["example"], usable)
    if not len(rows):
        raise CacheError(f"{name} has no moment whose source is heard, in sight and marked")
    kept = {key: table[key][rows] for key in ("events", "embedding")}
    kept["tokens"] = table["tokens"][rows, 0]
    kept["class_map"] = table["class_map"][rows] if classes else torch.zeros(len(rows), 1, 1, 1)
    cells = (cover[rows] >= IN_SIGHT).numpy()
    times = SIDE // cells.shape[-1]
    truths = cells.repeat(times, axis=1).repeat(times, axis=2)
    every = moment_places(cache, judged_only=True)
    return Gallery(
        name,
        kept,
        truths,
        tuple(moments.facts(int(row)) for row in rows),
        tuple(every[int(row)] for row in rows),
    )


def middle_rows(examples: Tensor, usable: Tensor) -> Tensor:
    """(M,) of the usable rows of each example the one in the middle, examples (N,) being sorted."""
    rows = usable.nonzero()[:, 0]
    _, counts = torch.unique_consecutive(examples[rows], return_counts=True)
    starts = counts.cumsum(0) - counts
    return rows[starts + counts // 2]
