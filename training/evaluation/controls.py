"""Does the map follow the sound? The control figures of a report, from answers already computed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from training.evaluation.answers import Answers
from training.evaluation.boxes import RULES
from training.evaluation.report import InteractiveFigures, QuietFigures, SwapFigures
from training.metrics.controls import area_marked, false_alarm, interactive, separation
from training.metrics.intervals import bootstrap, bootstrap_mean
from training.metrics.localization import THRESHOLD, Rule

Pairs = npt.NDArray[np.bool_]  # (n, K): which sounds are played to which picture


def quiet_figures(answers: Answers, files: Sequence[str]) -> QuietFigures:
    """Area marked on each of n clips under K sounds that nothing in sight makes."""
    areas = 100 * area_marked(answers.heatmaps)  # (n, K)
    worst = int(areas.max(axis=1).argmax())
    return QuietFigures(
        area=bootstrap_mean(areas.mean(axis=1)),
        worst=float(areas[worst].max()),
        worst_file=files[worst],
        false_alarms=bootstrap_mean(false_alarm(answers.heatmaps).mean(axis=1), scale=100),
    )


def swap_figures(
    areas: npt.NDArray[np.float64], presence: npt.NDArray[np.floating], pairs: Pairs
) -> SwapFigures | None:
    """The right sound against the sounds marked in `pairs`.

    Args:
        areas: (n, n) percent marked on picture i under the sound of clip j; the diagonal is the right sound.
        presence: (n, n), likewise.
        pairs: (n, n), false on the diagonal. A picture without any pair is left out.

    Returns:
        None if there is no pair at all.
    """
    used = np.flatnonzero(pairs.any(axis=1))
    if not used.size:
        return None
    played = pairs[used].astype(np.float64)
    own, swapped = areas[used, used], _row_means(areas[used], played)
    own_presence = presence[used, used]
    wins = _wins(own_presence, presence[used], pairs[used])

    def ratio(rows: npt.NDArray[np.int64]) -> float:
        right = own[rows].mean()
        return float(swapped[rows].mean() / right) if right > 0 else float("inf")

    def auc(rows: npt.NDArray[np.int64]) -> float:
        return 100 * float(wins[np.ix_(rows, rows)].mean())

    return SwapFigures(
        own_area=bootstrap_mean(own),
        swapped_area=bootstrap_mean(swapped),
        ratio=bootstrap(ratio, used.size),
        presence_auc=bootstrap(auc, used.size),
        fires_own=bootstrap_mean(own_presence >= THRESHOLD, scale=100),
        fires_swapped=bootstrap_mean(_row_means(presence[used] >= THRESHOLD, played), scale=100),
        n_pairs=int(played.sum()),
    )


def _row_means(
    values: npt.NDArray[np.bool_] | npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.asarray((values * weights).sum(axis=1) / weights.sum(axis=1))


def _wins(
    own: npt.NDArray[np.floating], presence: npt.NDArray[np.floating], pairs: Pairs
) -> npt.NDArray[np.float64]:
    """(m, m): how often the own presence of clip a lies above the swapped presences of clip b.

    Kept by pair of clips, so that the bootstrap can draw clips rather than single scores, which are not
    independent of each other.
    """
    return np.array(
        [[separation(score[None], presence[b][pairs[b]]) for b in range(len(own))] for score in own]
    )


def flip_figures(
    plain: Answers, mirrored: Answers
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mirrored pictures against plain ones, each under its own sound; both (n,).

    Returns:
        Mean absolute difference of the heatmaps after mirroring back, and IoU of the marked areas in percent
        (100 where neither marks anything).
    """
    back = mirrored.heatmaps[:, 0, :, ::-1]
    error = np.abs(plain.heatmaps[:, 0] - back).mean(axis=(1, 2), dtype=np.float64)
    first, second = plain.heatmaps[:, 0] >= THRESHOLD, back >= THRESHOLD
    union = (first | second).sum(axis=(1, 2))
    shared = (first & second).sum(axis=(1, 2))
    return error, np.where(union > 0, 100 * shared / np.maximum(union, 1), 100.0)


def interactive_figures(
    hits: npt.NDArray[np.bool_], ious: npt.NDArray[np.float64], saliency_ious: npt.NDArray[np.float64]
) -> InteractiveFigures:
    """Two sources in one picture.

    Args:
        hits: (p, 2), pointing of each source.
        ious: (p, 2, rules), cIoU of each source on its own sound.
        saliency_ious: the same for the vision-only map.
    """
    absolute, by_area = RULES.index(Rule.ABSOLUTE), RULES.index(Rule.AREA)
    both, area_under = interactive(list(ious[:, :, absolute]))
    both_area, _ = interactive(list(ious[:, :, by_area]))
    deaf, _ = interactive(list(saliency_ious[:, :, by_area]))
    return InteractiveFigures(
        pointing_both=bootstrap_mean(hits.all(axis=1), scale=100),
        iiou=bootstrap_mean(both, scale=100),
        iauc=bootstrap_mean(area_under, scale=100),
        iiou_area=bootstrap_mean(both_area, scale=100),
        iiou_saliency=bootstrap_mean(deaf, scale=100),
    )
