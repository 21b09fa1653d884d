"""Figures of "Discriminative Sounding Objects Localization" (Hu et al., NeurIPS 2020), MUSIC solo and duet.

They work on maps of any scale: the mask is what lies above a share of the map's own maximum (`>`), so a map
that is constant marks nothing, and one without any activation cannot be told from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.metrics.localization import ciou
from training.metrics.masks import Map, Mask

SOLO_SHARE = 0.1
DUET_SHARE = 0.2
SYNTHETIC_SHARE = 0.5  # the set of composed pictures
DUET_SUCCESS = 0.3  # CIoU from which on a picture counts as a success
SILENT_BELOW = 0.2  # activation, not a share: what a silent class may show


def above_share(values: Map, share: float) -> Mask:
    """Mask of a map (side, side): values above a share of its maximum."""
    return np.asarray(values > share * float(values.max()))


def solo_iou(values: Map, truth: Mask) -> float:
    """IoU of a map, cut at a tenth of its maximum, with the union of the boxes; both (side, side).

    "IoU@0.5" and the AUC of the solo set are `success` and `success_auc` of it.
    """
    return ciou(above_share(values, SOLO_SHARE), truth)


@dataclass(frozen=True, slots=True)
class DuetScores:
    """One picture with instruments that sound and instruments that do not, in [0, 1].

    Attributes:
        ciou: mean over the sounding classes of the IoU ("CIoU"). A success at `DUET_SUCCESS`.
        silent_area: mean over the silent classes of the share of the picture that stays dark ("NSA"); None
            where every class sounds.
    """

    ciou: float
    silent_area: float | None


def sum_clusters(maps: npt.NDArray[np.floating], matched: npt.NDArray[np.bool_]) -> npt.NDArray[np.floating]:
    """Maps of classes from maps of clusters (K, side, side): each sums those `matched` (C, K) to it."""
    summed: npt.NDArray[np.floating] = np.einsum("ck,khw->chw", matched.astype(maps.dtype), maps)
    return summed


def duet_scores(
    maps: npt.NDArray[np.floating], truths: Mapping[int, Mask], *, share: float = DUET_SHARE
) -> DuetScores:
    """Score the maps (C, side, side) of all classes of one picture.

    Args:
        maps: one a class, by its index.
        truths: masks (side, side) of the classes that sound; all others are silent.
        share: of its maximum at which the map of a sounding class is cut.

    Raises:
        ValueError: if no class sounds.
    """
    if not truths:
        raise ValueError("a duet needs at least one class that sounds")
    overlaps = [ciou(above_share(maps[label], share), truth) for label, truth in truths.items()]
    silent = [float((values <= SILENT_BELOW).mean()) for k, values in enumerate(maps) if k not in truths]
    return DuetScores(float(np.mean(overlaps)), float(np.mean(silent)) if silent else None)
