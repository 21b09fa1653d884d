"""Boxes to masks and heatmaps to pixels, on the square canvas every localisation figure is computed on.

The canvas is 224 x 224 whatever the picture's shape, as in the code of HardWay (LVS), EZ-VSL and SSPL.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

SIDE = 224

Mask = npt.NDArray[np.bool_]  # (side, side)
Map = npt.NDArray[np.floating]  # (side, side)
Rounding = Literal["truncate", "round"]


def clean_boxes(boxes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Clip normalised xyxy boxes to [0, 1] and drop those without area.

    Args:
        boxes: (B, 4); may be empty.

    Returns:
        (B', 4) with B' <= B.
    """
    clipped = np.clip(np.asarray(boxes, np.float64).reshape(-1, 4), 0.0, 1.0)
    return clipped[(clipped[:, 2] > clipped[:, 0]) & (clipped[:, 3] > clipped[:, 1])]


def rasterize_box(box: npt.ArrayLike, *, rounding: Rounding = "truncate", side: int = SIDE) -> Mask:
    """One normalised xyxy box to a mask, half-open: pixels x0 <= x < x1.

    `truncate` is `int(side * max(v, 0))`, the rule of the published VGG-SS code; `round` goes to the nearest
    pixel. The choice moves success rates by about 0.1 point, so it is printed beside every figure.
    """
    scaled = side * np.clip(np.asarray(box, np.float64), 0.0, 1.0)
    edges = np.floor(scaled) if rounding == "truncate" else np.rint(scaled)
    x0, y0, x1, y1 = edges.astype(int)
    mask = np.zeros((side, side), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def rasterize(boxes: npt.ArrayLike, *, rounding: Rounding = "truncate", side: int = SIDE) -> Mask:
    """Union of normalised xyxy boxes (B, 4)."""
    mask = np.zeros((side, side), bool)
    for box in np.asarray(boxes, np.float64).reshape(-1, 4):
        mask |= rasterize_box(box, rounding=rounding, side=side)
    return mask


def tight_boxes(masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Normalised xyxy (..., 4) of the smallest boxes around masks (..., H, W); NaN where nothing is set."""
    edges = []
    for axis in (-2, -1):  # columns, then rows
        there = masks.any(axis)
        first, last = there.argmax(-1), there.shape[-1] - there[..., ::-1].argmax(-1)
        edges.append(np.stack([first, last], -1) / there.shape[-1])
    boxes = np.stack([edges[0], edges[1]], -1).reshape(*masks.shape[:-2], 4)  # x0, y0, x1, y1
    return np.where(masks.any((-2, -1))[..., None], boxes, np.nan).astype(np.float32)


def consensus(masks: Sequence[Mask], *, agreement: int = 2) -> npt.NDArray[np.float64]:
    """Consensus map min(sum of masks / agreement, 1) of Flickr-SoundNet (Senocak et al., CVPR 2018).

    Boxes are summed one by one, as the published code does: with `agreement` 2, what one annotator drew
    weighs 0.5 and what two drew weighs 1.
    """
    total = np.sum(np.asarray(masks, np.float64), axis=0)
    return np.asarray(np.minimum(total / agreement, 1.0))


@cache
def _interpolation(cells: int, side: int) -> npt.NDArray[np.float64]:
    """(side, cells) weights of bilinear interpolation with pixel centres at half (as cv2.resize)."""
    position = np.clip((np.arange(side) + 0.5) * cells / side - 0.5, 0, cells - 1)
    left = np.minimum(position.astype(int), max(cells - 2, 0))
    right = np.minimum(left + 1, cells - 1)
    fraction = position - left
    weights = np.zeros((side, cells))
    weights[np.arange(side), left] += 1 - fraction
    weights[np.arange(side), right] += fraction
    return weights


def upsample(heatmap: npt.ArrayLike, *, side: int = SIDE) -> npt.NDArray[np.floating]:
    """Heatmaps (..., G, G) to (..., side, side), bilinear, pixel centres at half. Keeps float32."""
    given = np.asarray(heatmap)
    cells = given if given.dtype == np.float32 else given.astype(np.float64)
    down = _interpolation(cells.shape[-2], side).astype(cells.dtype)
    across = np.ascontiguousarray(_interpolation(cells.shape[-1], side).T.astype(cells.dtype))
    large: npt.NDArray[np.floating] = down @ (cells @ across)
    return large
