"""Predictors without a model, a sound or a pixel. A figure that does not stand beside theirs says nothing.

Each returns a map for `training.metrics.localization.binarize`, made so that the rules give what the
literature means: the disc fills half of the picture by every rule but `area`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from training.metrics.masks import SIDE, Mask


def whole_image(*, side: int = SIDE) -> npt.NDArray[np.float64]:
    """Everything sounds: 1 everywhere, so every rule marks the whole canvas."""
    return np.ones((side, side))


def centred_square(fraction: float, *, side: int = SIDE) -> Mask:
    """Centred square over a share of the canvas: width round(side * sqrt(fraction)), offset rounded down."""
    width = round(side * fraction**0.5)
    start = (side - width) // 2
    mask = np.zeros((side, side), bool)
    mask[start : start + width, start : start + width] = True
    return mask


@cache
def centre_ranks(*, side: int = SIDE) -> npt.NDArray[np.int64]:
    """(side, side) rank of each pixel by its distance from the centre, 0 the nearest; no ties."""
    offset = np.arange(side) - (side - 1) / 2
    distance = offset[:, None] ** 2 + offset[None, :] ** 2
    ranks = np.empty(side * side, np.int64)
    ranks[np.argsort(distance, axis=None, kind="stable")] = np.arange(side * side)
    return ranks.reshape(side, side)


def centre_disc(*, side: int = SIDE) -> npt.NDArray[np.float64]:
    """Falls evenly with the rank from the centre, from just under 1 to just over 0.

    By area it gives the centre disc of that area; by the other rules the disc of half the canvas.
    """
    return 1 - (centre_ranks(side=side) + 0.5) / side**2


def mean_prior(truths: Sequence[npt.NDArray[np.generic]]) -> npt.NDArray[np.float64]:
    """Mean ground truth: how often each pixel sounds. On the set it is made from it has seen the answers."""
    return np.asarray(np.mean(np.asarray(truths, np.float64), axis=0))
