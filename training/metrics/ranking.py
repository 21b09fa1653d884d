"""Areas and optima over a sweep of confidences."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def average_precision(recall: npt.ArrayLike, precision: npt.ArrayLike) -> float:
    """Area under precision over recall, precision made to fall (interpolated at every point).

    Args:
        recall: (P,) rising, in the order of falling confidence; the area begins at recall 0.
        precision: (P,) at the same points. What lies at a recall is the largest precision there or beyond.

    Returns:
        0 where there is no point at all.
    """
    reached = np.asarray(recall, np.float64).ravel()
    if not reached.size:
        return 0.0
    ceiling = np.maximum.accumulate(np.asarray(precision, np.float64).ravel()[::-1])[::-1]
    return float((np.diff(reached, prepend=0.0) * ceiling).sum())


def ends_of_ties(confidences: Floats) -> npt.NDArray[np.intp]:
    """Where each run of equal values ends in (n,) falling confidences: the points a threshold can cut at."""
    return np.flatnonzero(np.append(confidences[1:] != confidences[:-1], True))


def f1(recall: Floats, precision: Floats) -> Floats:
    """Harmonic mean of (P,) recall and precision; 0 where both are."""
    total = recall + precision
    return np.asarray(2 * recall * precision / np.where(total > 0, total, 1.0))
