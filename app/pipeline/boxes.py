"""How boxes lie to each other and on a grid: x0, y0, x1, y1, each with an area above 0."""

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


def mean_inside(maps: npt.NDArray[np.floating], boxes: Boxes) -> npt.NDArray[np.float32]:
    """(M, C) mean of each of M maps (M, rows, columns, C) inside a box of its own, one of (M, 4).

    A cell that is partly inside counts by that part.
    """
    rows, columns = maps.shape[1:3]
    down = inside_cells(boxes[:, 1], boxes[:, 3], rows)
    across = inside_cells(boxes[:, 0], boxes[:, 2], columns)
    total = np.einsum("mr,mc,mrck->mk", down, across, maps, optimize=True)
    mean: npt.NDArray[np.float32] = (total / (down.sum(1) * across.sum(1))[:, None]).astype(np.float32)
    return mean


def inside_cells(
    low: npt.NDArray[np.floating], high: npt.NDArray[np.floating], cells: int
) -> npt.NDArray[np.float64]:
    """How much of each interval [low, high] (M,) of the unit line lies in each of `cells` equal parts."""
    edges = np.arange(cells + 1) / cells
    inside = np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1])
    overlap: npt.NDArray[np.float64] = np.maximum(inside, 0)
    return overlap


def _shared(ones: Boxes, others: Boxes) -> Shares:
    low = np.maximum(ones[:, None, :2], others[None, :, :2])
    high = np.minimum(ones[:, None, 2:], others[None, :, 2:])
    shared: Shares = np.prod(np.maximum(high - low, 0), axis=2)
    return shared


def _area(boxes: Boxes) -> Shares:
    area: Shares = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return area
