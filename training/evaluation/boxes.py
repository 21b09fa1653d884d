"""Maps against boxes: per-clip scores, and the row of figures they add up to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.evaluation.report import BoxFigures, Row
from training.metrics.intervals import bootstrap_mean
from training.metrics.localization import Rule, binarize, ciou, pointing_hit, points_at, success, success_auc
from training.metrics.masks import Map, Mask

RULES = tuple(Rule)


@dataclass(frozen=True, slots=True)
class BoxScores:
    """Scores of one or more maps for each of n clips; K is how many maps each clip has.

    Attributes:
        hits: (n, K) bool, pointing game.
        points: (n, K) bool, whether the map has a maximum at all.
        ious: (n, K, rules) float64, cIoU by rule in the order of `RULES`.
    """

    hits: npt.NDArray[np.bool_]
    points: npt.NDArray[np.bool_]
    ious: npt.NDArray[np.float64]


def score_maps(
    truths: Sequence[Mask], maps_of: Callable[[int], Sequence[Map] | npt.NDArray[np.floating]]
) -> BoxScores:
    """Score the maps of each clip against its ground truth.

    Args:
        truths: (side, side) masks, one a clip.
        maps_of: index of a clip to its K maps (side, side); asked for one clip at a time to save memory.
    """
    hits, points, ious = [], [], []
    for index, truth in enumerate(truths):
        maps = maps_of(index)
        hits.append([pointing_hit(values, truth) for values in maps])
        points.append([points_at(values) is not None for values in maps])
        ious.append([[ciou(binarize(values, rule, truth=truth), truth) for rule in RULES] for values in maps])
    return BoxScores(np.array(hits), np.array(points), np.array(ious))


def make_row(name: str, scores: BoxScores, *, off_centre: npt.NDArray[np.bool_]) -> Row:
    """Figures over all clips and over the off-centre ones. A clip with several maps counts as their mean."""
    apart = _figures(_select(scores, off_centre)) if off_centre.any() else None
    return Row(name, _figures(scores), apart)


def _select(scores: BoxScores, chosen: npt.NDArray[np.bool_]) -> BoxScores:
    return BoxScores(scores.hits[chosen], scores.points[chosen], scores.ious[chosen])


def _figures(scores: BoxScores) -> BoxFigures:
    reached = success(scores.ious).mean(axis=1)  # (n, rules)
    area_under = success_auc(scores.ious).mean(axis=1)
    pointing = bootstrap_mean(scores.hits.mean(axis=1), scale=100) if scores.points.any() else None
    return BoxFigures(
        pointing=pointing,
        success={rule: bootstrap_mean(reached[:, k], scale=100) for k, rule in enumerate(RULES)},
        auc={rule: bootstrap_mean(area_under[:, k], scale=100) for k, rule in enumerate(RULES)},
        mean_iou=bootstrap_mean(scores.ious[:, :, RULES.index(Rule.ABSOLUTE)].mean(axis=1), scale=100),
    )
