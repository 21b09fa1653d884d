"""95 % intervals: the percentile bootstrap over clips, seeded so that a report can be reproduced.

Sources of one picture and frames of one video are not independent of each other. Where several share a group,
groups are drawn, each with all that belongs to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEVEL = 0.95
RESAMPLES = 2000
SEED = 20240229
_BLOCK = 1_000_000  # draws held in memory at once

Groups = npt.NDArray[np.intp]  # (n,) the group of each value; equal numbers belong together
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the interval it would move in if other clips had been drawn.

    `n` counts what was resampled: clips or groups, never pairs or frames of one clip. A share of exactly 0 or
    1 has an interval without width, which says that the sample holds no exception, not that there is none.
    """

    value: float
    low: float
    high: float
    n: int


def resample_indices(n: int, *, resamples: int = RESAMPLES, seed: int = SEED) -> Iterator[Rows]:
    """`resamples` draws of n with replacement from 0 .. n - 1, in blocks (B, n) that fit into the memory."""
    generator = np.random.default_rng(seed)
    rows = max(1, _BLOCK // n)
    for first in range(0, resamples, rows):
        yield generator.integers(0, n, (min(rows, resamples - first), n))


def bootstrap(
    statistic: Callable[[Rows], float],
    n: int,
    *,
    groups: Groups | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Estimate:
    """Interval of any statistic of n clips, given as a function of the indices to compute it on.

    Resamples on which it is not finite are left out. Raises ValueError if n is 0.
    """

    def alone(rows: Rows) -> tuple[float]:
        return (statistic(rows),)

    return bootstrap_each(alone, n, groups=groups, resamples=resamples, seed=seed)[0]


def bootstrap_each(
    statistics: Callable[[Rows], Sequence[float]],
    n: int,
    *,
    groups: Groups | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[Estimate, ...]:
    """`bootstrap` for several statistics that one function gives together, on the same draws."""
    if n < 1:
        raise ValueError("nothing to resample")
    values = statistics(np.arange(n))
    clusters = _Clusters.of(np.arange(n) if groups is None else groups)
    n_groups = len(clusters.counts)
    drawn = np.array(
        [
            statistics(clusters.rows(row))
            for block in resample_indices(n_groups, resamples=resamples, seed=seed)
            for row in block
        ]
    )
    return tuple(_estimate(float(value), drawn[:, index], n_groups) for index, value in enumerate(values))


def bootstrap_mean(
    values: npt.ArrayLike,
    *,
    groups: Groups | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    scale: float = 1.0,
) -> Estimate:
    """Mean of (n,) values with its interval, times `scale` (100 for percent). Raises ValueError if n is 0."""
    numbers = scale * np.asarray(values, np.float64).ravel()
    if numbers.size < 1:
        raise ValueError("nothing to resample")
    index = _numbered(np.arange(numbers.size) if groups is None else groups)
    sums, counts = np.bincount(index, numbers), np.bincount(index).astype(np.float64)
    drawn = [
        sums[block].sum(axis=1) / counts[block].sum(axis=1)
        for block in resample_indices(len(sums), resamples=resamples, seed=seed)
    ]
    return _estimate(float(numbers.mean()), np.concatenate(drawn), len(sums))


def _numbered(groups: Groups) -> Groups:
    """The same groups, numbered 0, 1, ... in the order of their first appearance."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[inverse.ravel()])


@dataclass(frozen=True, slots=True)
class _Clusters:
    """Where the members of each group stand: `counts` of them from `starts` on in `order`."""

    order: Rows
    starts: Rows
    counts: Rows

    @classmethod
    def of(cls, groups: Groups) -> _Clusters:
        index = _numbered(groups)
        counts = np.bincount(index)
        return cls(np.argsort(index, kind="stable"), np.cumsum(counts) - counts, counts)

    def rows(self, drawn: Rows) -> Rows:
        """All members of the drawn groups, group by group."""
        counts = self.counts[drawn]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.asarray(self.order[np.repeat(self.starts[drawn], counts) + within])


def _estimate(value: float, drawn: npt.NDArray[np.float64], n: int) -> Estimate:
    kept = drawn[np.isfinite(drawn)]
    if kept.size == 0:
        return Estimate(value, value, value, n)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(kept, (tail, 1 - tail))
    return Estimate(value, float(low), float(high), n)
