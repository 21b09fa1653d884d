"""Where-metrics: consensus IoU, its success rate and AUC, the pointing game, and the rules that make masks.

cIoU is sum(P * G) / (sum(G) + sum(P * [G == 0])), P the predicted mask and G the ground truth in [0, 1].
With a binary G it is the plain IoU. What papers print as "cIoU" is the share of images that reach 0.5.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt

from training.metrics.masks import Map, Mask

THRESHOLD = 0.5
TAUS = np.arange(21) / 20  # 0, .05, ..., 1; k / 20 is exact where it matters, at 0.5 and 1


class Rule(StrEnum):
    """How a map becomes a mask. Figures made by different rules must never stand in one column.

    ABSOLUTE: value >= 0.5, the same for every image. The only rule that a user of the map can apply, and the
        only one that can come out empty when nothing sounds.
    HALF: the larger half of the pixels (HardWay, EZ-VSL, FNAC). Marks half of the picture whatever is heard.
    AREA: as many pixels as the ground truth has ("Adap."). An oracle size: it grades ranking alone.
    MINMAX: min-max per image, then >= 0.5 (SSPL, SACL). Silence is scaled up to full confidence.
    """

    ABSOLUTE = "absolute"
    HALF = "half"
    AREA = "area"
    MINMAX = "minmax"


def mark_largest(values: Map, n_pixels: int) -> Mask:
    """Mask of the `n_pixels` largest values; ties with the last of them are marked too (`>=`, as EZ-VSL).

    A constant map is therefore marked entirely: it ranks nothing, and to pick some of it would be luck.
    """
    if n_pixels <= 0:
        return np.zeros(values.shape, bool)
    flat = values.ravel()
    if n_pixels >= flat.size:
        return np.ones(values.shape, bool)
    last = np.partition(flat, flat.size - n_pixels)[flat.size - n_pixels]
    return np.asarray(values >= last)


def binarize(values: Map, rule: Rule, *, truth: npt.NDArray[np.generic] | None = None) -> Mask:
    """Mask of a map (side, side) by one of the rules.

    Args:
        values: the map, already at the size it is scored at.
        rule: see `Rule`.
        truth: ground truth of the same shape, needed by `Rule.AREA` alone (its size is all that is used).

    Raises:
        ValueError: if `Rule.AREA` is asked for without `truth`.
    """
    if rule is Rule.ABSOLUTE:
        return np.asarray(values >= THRESHOLD)
    if rule is Rule.HALF:
        return mark_largest(values, values.size // 2)
    if rule is Rule.MINMAX:
        low, high = float(values.min()), float(values.max())
        return np.asarray(values >= low + THRESHOLD * (high - low))
    if truth is None:
        raise ValueError("the rule 'area' needs the ground truth")
    return mark_largest(values, int(np.count_nonzero(truth)))


def ciou(predicted: Mask, truth: npt.NDArray[np.generic]) -> float:
    """Consensus IoU in [0, 1] of a mask with a ground truth in [0, 1] (both (side, side)).

    An empty ground truth scores 0 whatever is predicted, as in the published code (0 / 0 for an empty mask).
    """
    weight = np.asarray(truth, np.float64)
    inside = float(weight[predicted].sum())
    outside = int(np.count_nonzero(predicted & (weight == 0)))
    total = float(weight.sum()) + outside
    return inside / total if total > 0 else 0.0


def success(ious: npt.ArrayLike, *, threshold: float = THRESHOLD) -> npt.NDArray[np.bool_]:
    """Whether each cIoU reaches the threshold; the mean of it is the success rate."""
    return np.asarray(np.asarray(ious, np.float64) >= threshold)


def success_auc(ious: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Area under success over the 21 thresholds 0, .05, ..., 1 (trapezoid), for each image.

    The mean over images equals the area under the mean curve, so this is the "AUC" of the papers, kept per
    image for the bootstrap.
    """
    values = np.asarray(ious, np.float64)
    steps = (values[..., None] >= TAUS).astype(np.float64)
    return np.asarray(np.trapezoid(steps, TAUS, axis=-1))


def points_at(values: Map) -> tuple[int, int] | None:
    """Row and column of the first maximum, or None if the map is constant and so points nowhere."""
    if float(values.max()) <= float(values.min()):
        return None
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return int(row), int(column)


def pointing_hit(values: Map, truth: npt.NDArray[np.generic]) -> bool:
    """Pointing game without tolerance: the maximum lies in the ground truth. A constant map misses."""
    point = points_at(values)
    return point is not None and bool(np.asarray(truth)[point] > 0)


def covers_centre(truth: npt.NDArray[np.generic]) -> bool:
    """Whether the picture's centre lies in the ground truth; where it does not, centre bias cannot help."""
    rows, columns = truth.shape
    return bool(np.asarray(truth)[rows // 2, columns // 2] > 0)


def mass_inside(values: Map, truth: npt.NDArray[np.generic]) -> float:
    """Share of a map's mass that lies in the ground truth, both (side, side) and in [0, 1]: no threshold.

    A map without any mass scores 0: it has put nothing there.
    """
    total = float(values.sum(dtype=np.float64))
    if total <= 0:
        return 0.0
    return float((values * np.asarray(truth)).sum(dtype=np.float64) / total)
