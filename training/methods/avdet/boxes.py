"""Boxes from heatmaps: what is hot, its largest piece, and a tight box around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from training.metrics.detection import box_iou
from training.metrics.masks import tight_boxes, upsample

SIDE = 64  # pixels of a map's side when pieces are looked for
BETAS = tuple(round(0.1 * step, 1) for step in range(1, 10))
USUAL_BETA = 0.5


@dataclass(frozen=True, slots=True)
class BoxRule:
    """Which pixels are hot (above beta * max + (1 - beta) * mean), and which boxes are plausible.

    Attributes:
        beta: in (0, 1).
        smallest, largest: share of the frame a box may take.
        faintest: maximum that a map must reach.
    """

    beta: float
    smallest: float = 0.0
    largest: float = 1.0
    faintest: float = 0.0


def heat_boxes(heat: npt.NDArray[np.floating], rule: BoxRule) -> npt.NDArray[np.float32]:
    """One box for each map (Afouras et al., CVPR 2022).

    Args:
        heat: (N, G, G) in [0, 1].
        rule: see there.

    Returns:
        (N, 4) normalised xyxy; NaN for a map without a plausible box.
    """
    if not len(heat):
        return np.zeros((0, 4), np.float32)
    boxes = np.stack([_box(one, rule.beta) for one in heat])
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    peak = heat.max((1, 2))
    plausible = (area >= rule.smallest) & (area <= rule.largest) & (peak > 0) & (peak >= rule.faintest)
    boxes[~plausible] = np.nan
    return boxes


def best_beta(heat: npt.NDArray[np.floating], truth: npt.NDArray[np.float32]) -> tuple[float, float]:
    """The beta of `BETAS` whose boxes of maps (N, G, G) fit the boxes (N, 4) best, and their mean IoU."""
    fits = [float(np.mean(_ious(heat_boxes(heat, BoxRule(beta)), truth))) for beta in BETAS]
    best = int(np.argmax(fits))
    return BETAS[best], fits[best]


def _box(heat: npt.NDArray[np.floating], beta: float) -> npt.NDArray[np.float32]:
    fine = upsample(heat.astype(np.float32), side=SIDE)
    hot = fine > beta * fine.max() + (1 - beta) * fine.mean()
    pieces, count = ndimage.label(hot)
    if count > 1:
        sizes = ndimage.sum_labels(hot, pieces, np.arange(1, count + 1))
        hot = pieces == 1 + int(np.argmax(sizes))
    box: npt.NDArray[np.float32] = tight_boxes(hot)
    return box


def _ious(boxes: npt.NDArray[np.float32], truth: npt.NDArray[np.float32]) -> list[float]:
    return [
        0.0 if np.isnan(box).any() else float(box_iou(box, other)[0, 0])
        for box, other in zip(boxes, truth, strict=True)
    ]
