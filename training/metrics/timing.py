"""When-metrics: the pointing game in time, and the constant answers that must stand beside it.

Most events of AVE (Tian et al., ECCV 2018) last for the whole clip, where any answer is right: evaluate on
partial events alone, and print what a constant second reaches on the same events.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Spans = npt.ArrayLike  # (n, 2) start and end of each event in seconds, half-open


def partial_events(spans: Spans, *, duration_s: float) -> npt.NDArray[np.bool_]:
    """(n,) whether an event of (n, 2) leaves a part of its clip free: it begins after 0 or ends early."""
    start_s, end_s = np.asarray(spans, np.float64).reshape(-1, 2).T
    return np.asarray((start_s > 0) | (end_s < duration_s))


def peak_time(curve: npt.ArrayLike, times_s: npt.ArrayLike) -> float | None:
    """Time of the first maximum of a (T,) curve, or None if it is constant and so points nowhere."""
    values = np.asarray(curve, np.float64).ravel()
    if values.max() <= values.min():
        return None
    return float(np.asarray(times_s, np.float64).ravel()[values.argmax()])


def time_hit(curve: npt.ArrayLike, times_s: npt.ArrayLike, *, start_s: float, end_s: float) -> bool:
    """Pointing game in time: the maximum of a (T,) curve lies in [start, end). A constant curve misses."""
    peak_s = peak_time(curve, times_s)
    return peak_s is not None and start_s <= peak_s < end_s


def constant_hits(spans: Spans, *, second: float) -> npt.NDArray[np.bool_]:
    """(n,) whether the answer `second`, the same for all, lies in each of the events [start, end)."""
    start_s, end_s = np.asarray(spans, np.float64).reshape(-1, 2).T
    return np.asarray((start_s <= second) & (second < end_s))


def best_constant(spans: Spans, *, seconds: npt.ArrayLike) -> tuple[float, float]:
    """The best of some constant answers and the share of events that it hits.

    It is chosen on the events it is measured on, so it has seen the answers; the first of equals is taken.
    """
    offered = np.asarray(seconds, np.float64).ravel()
    shares = [float(constant_hits(spans, second=second).mean()) for second in offered]
    best = int(np.argmax(shares))
    return float(offered[best]), shares[best]


def event_everywhere(spans: Spans, *, duration_s: float) -> float:
    """Mean share of the clip that the events cover: per-second accuracy of "the event, all the time"."""
    start_s, end_s = np.asarray(spans, np.float64).reshape(-1, 2).T
    return float(((end_s - start_s) / duration_s).mean())
