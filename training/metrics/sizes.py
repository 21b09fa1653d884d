"""How large a source is: the bins by which SLAVC breaks its figures down."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt


class Size(StrEnum):
    """Area of the ground truth on the canvas of 224 x 224 pixels: below 32 x 32, from there to below 96 x 96,
    to below 144 x 144, and beyond."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    HUGE = "huge"


_UPPER_PX = {Size.SMALL: 32**2, Size.MEDIUM: 96**2, Size.LARGE: 144**2}


def size_of(truth: npt.NDArray[np.generic]) -> Size:
    """Bin of a ground truth (224, 224) in [0, 1]. Its area is the sum: a pixel that one of two annotators
    marked counts half, as in the published code."""
    area_px = float(np.asarray(truth, np.float64).sum())
    for size, upper_px in _UPPER_PX.items():
        if area_px < upper_px:
            return size
    return Size.HUGE
