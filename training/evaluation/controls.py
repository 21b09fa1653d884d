"""Does the map follow the sound? The control figures of a report, from what was heard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from training.evaluation.listening import Heard
from training.evaluation.report import QuietFigures, SwapFigures
from training.metrics.intervals import Groups, Rows, bootstrap, bootstrap_mean
from training.metrics.localization import THRESHOLD

Numbers = npt.NDArray[np.float64]


def quiet_figures(name: str, heard: Sequence[Heard], ids: Sequence[str], groups: Groups) -> QuietFigures:
    """Area marked on each of n cases under the sounds of one control."""
    quiets = [one.quiet[name] for one in heard]
    worst = [float(quiet.areas.max()) for quiet in quiets]
    return QuietFigures(
        area=bootstrap_mean([quiet.areas.mean() for quiet in quiets], groups=groups),
        worst=max(worst),
        worst_id=ids[int(np.argmax(worst))],
        false_alarms=bootstrap_mean([quiet.alarms.mean() for quiet in quiets], groups=groups, scale=100),
    )


def swap_figures(
    heard: Sequence[Heard], played: Sequence[npt.NDArray[np.bool_]], groups: Groups
) -> SwapFigures | None:
    """The right sound against sounds of others.

    Args:
        heard: n cases.
        played: for each case (K,), which of its `others` count. A case without any is left out.
        groups: (n,)

    Returns:
        None if none counts anywhere.
    """
    used = [index for index, chosen in enumerate(played) if chosen.any()]
    if not used:
        return None
    cases = [heard[index] for index in used]
    own = np.array([case.area for case in cases])
    own_presence = np.array([case.presence for case in cases])
    presence = [case.other_presence[played[k]] for k, case in zip(used, cases, strict=True)]
    swapped = np.array(
        [case.other_areas[played[k]].mean() for k, case in zip(used, cases, strict=True)], np.float64
    )
    among = groups[used]

    def ratio(rows: Rows) -> float:
        right = own[rows].mean()
        return float(swapped[rows].mean() / right) if right > 0 else float("inf")

    fires = [float((values >= THRESHOLD).mean()) for values in presence]
    return SwapFigures(
        own_area=bootstrap_mean(own, groups=among),
        swapped_area=bootstrap_mean(swapped, groups=among),
        ratio=bootstrap(ratio, len(used), groups=among),
        presence_auc=bootstrap(_PresenceAuc(own_presence, presence), len(used), groups=among),
        fires_own=bootstrap_mean(own_presence >= THRESHOLD, groups=among, scale=100),
        fires_swapped=bootstrap_mean(fires, groups=among, scale=100),
        n_pairs=sum(map(len, presence)),
    )


class _PresenceAuc:
    """How often the own presence of one case lies above a swapped presence of another, ties counting half.

    In percent, for any cases given by their rows. A case weighs the same however many sounds it was swapped
    with: the scores of one case are not independent, so cases are drawn and not scores. Scores are sorted
    once, and each draw only weighs them.
    """

    def __init__(self, own: Numbers, swapped: Sequence[npt.NDArray[np.floating]]) -> None:
        self._n = len(own)
        self._case = np.repeat(np.arange(self._n), [len(scores) for scores in swapped])
        self._share = np.concatenate([np.full(len(scores), 1 / len(scores)) for scores in swapped])
        everything = np.concatenate([own, *(np.asarray(scores, np.float64) for scores in swapped)])
        _, self._rank = np.unique(everything, return_inverse=True)

    def __call__(self, rows: Rows) -> float:
        counts = np.bincount(rows, minlength=self._n).astype(np.float64)
        levels = int(self._rank.max()) + 1
        above = np.bincount(self._rank[: self._n], counts, minlength=levels)
        below = np.bincount(self._rank[self._n :], counts[self._case] * self._share, minlength=levels)
        wins = (above * (np.cumsum(below) - below / 2)).sum()
        return float(100 * wins / (above.sum() * below.sum()))


def flip_figures(
    plain: npt.NDArray[np.floating], mirrored: npt.NDArray[np.floating]
) -> tuple[Numbers, Numbers]:
    """Heatmaps (n, G, G) of mirrored pictures against those of the plain ones, both under their own sounds.

    Returns:
        (n,) mean absolute difference of the heatmaps after mirroring back, and (n,) IoU of the marked areas
        in percent (100 where neither marks anything).
    """
    back = mirrored[:, :, ::-1]
    error = np.abs(plain - back).mean(axis=(1, 2), dtype=np.float64)
    first, second = plain >= THRESHOLD, back >= THRESHOLD
    union = (first | second).sum(axis=(1, 2))
    shared = (first & second).sum(axis=(1, 2))
    return error, np.where(union > 0, 100 * shared / np.maximum(union, 1), 100.0)
