"""How boxes lie to each other: x0, y0, x1, y1, each with an area above 0."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.floating]
Shares = npt.NDArray[np.floating]


def iou(ones: Boxes, others: Boxes) -> Shares:
    """Intersection over union (A, B) of boxes (A, 4) and (B, 4)."""
    shared = _shared(ones, others)
    overlap: Shares = shared / (_area(ones)[:, None] + _area(others) - shared)
    return overlap


def share_inside(ones: Boxes, others: Boxes) -> Shares:
    """(A, B) how much of each box (A, 4) lies in each box (B, 4)."""
    inside: Shares = _shared(ones, others) / _area(ones)[:, None]
    return inside


def _shared(ones: Boxes, others: Boxes) -> Shares:
    low = np.maximum(ones[:, None, :2], others[None, :, :2])
    high = np.minimum(ones[:, None, 2:], others[None, :, 2:])
    shared: Shares = np.prod(np.maximum(high - low, 0), axis=2)
    return shared


def _area(boxes: Boxes) -> Shares:
    area: Shares = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return area
