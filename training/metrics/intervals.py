"""95 % intervals: the percentile bootstrap over clips, seeded so that a report can be reproduced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEVEL = 0.95
RESAMPLES = 2000
SEED = 20240229


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the interval it would move in if other clips had been drawn.

    `n` counts what was resampled: clips, never pairs or frames of one clip. A share of exactly 0 or 1 has an
    interval without width, which says that the sample holds no exception, not that there is none.
    """

    value: float
    low: float
    high: float
    n: int


def resample_indices(n: int, *, resamples: int = RESAMPLES, seed: int = SEED) -> npt.NDArray[np.int64]:
    """(resamples, n) draws with replacement from 0 .. n - 1."""
    return np.random.default_rng(seed).integers(0, n, (resamples, n))


def bootstrap(
    statistic: Callable[[npt.NDArray[np.int64]], float],
    n: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Estimate:
    """Interval of any statistic of n clips, given as a function of the (n,) clip indices to compute it on.

    Resamples on which it is not finite are left out. Raises ValueError if n is 0.
    """
    if n < 1:
        raise ValueError("nothing to resample")
    value = float(statistic(np.arange(n)))
    drawn = np.array([statistic(row) for row in resample_indices(n, resamples=resamples, seed=seed)])
    return _estimate(value, drawn, n)


def bootstrap_mean(
    values: npt.ArrayLike, *, resamples: int = RESAMPLES, seed: int = SEED, scale: float = 1.0
) -> Estimate:
    """Mean of (n,) values with its interval, times `scale` (100 for percent). Raises ValueError if n is 0."""
    numbers = scale * np.asarray(values, np.float64).ravel()
    if numbers.size < 1:
        raise ValueError("nothing to resample")
    drawn = numbers[resample_indices(numbers.size, resamples=resamples, seed=seed)].mean(axis=1)
    return _estimate(float(numbers.mean()), drawn, numbers.size)


def _estimate(value: float, drawn: npt.NDArray[np.float64], n: int) -> Estimate:
    kept = drawn[np.isfinite(drawn)]
    if kept.size == 0:
        return Estimate(value, value, value, n)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(kept, (tail, 1 - tail))
    return Estimate(value, float(low), float(high), n)
