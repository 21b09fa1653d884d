"""Maps against the truth: the score of each case, and the row of figures that they add up to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.evaluation.report import BoxFigures, Row
from training.metrics.intervals import Estimate, Groups, bootstrap_mean
from training.metrics.localization import (
    Rule,
    binarize,
    ciou,
    mass_inside,
    pointing_hit,
    points_at,
    success,
    success_auc,
)
from training.metrics.masks import Mask

RULES = tuple(Rule)
ABSOLUTE, BY_AREA = RULES.index(Rule.ABSOLUTE), RULES.index(Rule.AREA)

Numbers = npt.NDArray[np.float64]
Truth = npt.NDArray[np.floating]  # (side, side) in [0, 1]


@dataclass(frozen=True, slots=True)
class MapScore:
    """Score of a case; where it has several maps, each number is the mean over them.

    Attributes:
        points: whether any map has a maximum at all.
        hit: share of maps that point into the truth.
        mass: share of the mass inside the truth.
        iou, success, auc: (rules,) cIoU, whether it reaches 0.5, and area under success, in the order of
            `RULES`.
    """

    points: bool
    hit: float
    mass: float
    iou: Numbers
    success: Numbers
    auc: Numbers


def score_maps(truth: Truth, maps: npt.NDArray[np.floating]) -> MapScore:
    """Score maps (K, side, side) against one truth (side, side)."""
    ious = np.array([[ciou(binarize(values, rule, truth=truth), truth) for rule in RULES] for values in maps])
    return MapScore(
        points=any(points_at(values) is not None for values in maps),
        hit=float(np.mean([pointing_hit(values, truth) for values in maps])),
        mass=float(np.mean([mass_inside(values, truth) for values in maps])),
        iou=ious.mean(axis=0),
        success=success(ious).mean(axis=0),
        auc=success_auc(ious).mean(axis=0),
    )


def score_mask(truth: Truth, mask: Mask) -> MapScore:
    """Score a mask (side, side) that no rule can change. It points nowhere."""
    iou = np.full(len(RULES), ciou(mask, truth))
    return MapScore(
        points=False,
        hit=0.0,
        mass=mass_inside(mask.astype(np.float64), truth),
        iou=iou,
        success=success(iou).astype(np.float64),
        auc=success_auc(iou),
    )


@dataclass(frozen=True, slots=True)
class BoxScores:
    """The scores of n cases in arrays: (n,) points, hits and mass, (n, rules) the others; see `MapScore`."""

    points: npt.NDArray[np.bool_]
    hits: Numbers
    mass: Numbers
    iou: Numbers
    success: Numbers
    auc: Numbers

    @classmethod
    def of(cls, scores: Iterable[MapScore]) -> BoxScores:
        listed = list(scores)
        return cls(
            points=np.array([score.points for score in listed]),
            hits=np.array([score.hit for score in listed]),
            mass=np.array([score.mass for score in listed]),
            iou=np.stack([score.iou for score in listed]),
            success=np.stack([score.success for score in listed]),
            auc=np.stack([score.auc for score in listed]),
        )

    def select(self, chosen: npt.NDArray[np.bool_]) -> BoxScores:
        return BoxScores(
            self.points[chosen],
            self.hits[chosen],
            self.mass[chosen],
            self.iou[chosen],
            self.success[chosen],
            self.auc[chosen],
        )


def make_row(name: str, scores: BoxScores, *, off_centre: npt.NDArray[np.bool_], groups: Groups) -> Row:
    """Figures over all n cases and over the off-centre ones; intervals draw groups."""
    apart = box_figures(scores.select(off_centre), groups[off_centre]) if off_centre.any() else None
    return Row(name, box_figures(scores, groups), apart)


def box_figures(scores: BoxScores, groups: Groups) -> BoxFigures:
    """Means in percent with their intervals."""

    def share(values: Numbers) -> Estimate:
        return bootstrap_mean(values, groups=groups, scale=100)

    return BoxFigures(
        n=len(scores.hits),
        pointing=share(scores.hits) if scores.points.any() else None,
        success={rule: share(scores.success[:, k]) for k, rule in enumerate(RULES)},
        auc={rule: share(scores.auc[:, k]) for k, rule in enumerate(RULES)},
        mean_iou=share(scores.iou[:, ABSOLUTE]),
        mass=share(scores.mass),
    )
