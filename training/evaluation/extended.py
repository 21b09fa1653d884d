"""Scored and negative cases together: figures of a report about knowing that nothing in sight sounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from training.evaluation.boxes import RULES
from training.evaluation.cases import Case, Role
from training.evaluation.listening import Heard
from training.evaluation.report import OURS, VISION_ONLY, ExtendedRow, NegativeFigures
from training.metrics.controls import separation
from training.metrics.intervals import Groups, Rows, bootstrap, bootstrap_each, bootstrap_mean
from training.metrics.localization import THRESHOLD, Rule
from training.metrics.negatives import extended_scores

MASKS = (Rule.ABSOLUTE, Rule.HALF)  # SLAVC's fixed threshold, and its "relative prediction"

# What readers say of a negative in `Facts.extra`, and a name for each value.
_EXTRA: Mapping[str, Mapping[str, str]] = {
    "negative": {"other sound": "sound of another clip", "own sound": "own sound, source out of sight"},
    "same_class": {"no": "sound of another class", "yes": "sound of the class that is seen"},
    "situation": {"silence": "silence", "offscreen": "source out of sight"},
}
_UNKNOWN = (float("nan"),) * 3

Numbers = npt.NDArray[np.float64]


def negative_figures(
    cases: Sequence[Case], heard: Sequence[Heard], groups: Groups
) -> tuple[NegativeFigures, ...]:
    """Figures over the scored and all negative ones of n cases, then over the scored and parts of the others.

    Nothing if there is no negative or no scored case.
    """
    scored = [index for index, case in enumerate(cases) if case.scored]
    negative = [index for index, case in enumerate(cases) if case.role is Role.NEGATIVE]
    if not scored or not negative:
        return ()
    parts = {"all": negative}
    for key, names in _EXTRA.items():
        for value, name in names.items():
            parts[name] = [index for index in negative if cases[index].facts.extra.get(key) == value]
    return tuple(
        _figures(
            name,
            [heard[index] for index in scored],
            [heard[index] for index in members],
            groups[[*scored, *members]],
        )
        for name, members in parts.items()
        if members
    )


def _figures(
    name: str, scored: Sequence[Heard], negative: Sequence[Heard], groups: Groups
) -> NegativeFigures:
    everything = [*scored, *negative]
    sounding = np.arange(len(everything)) < len(scored)
    presence = np.array([case.presence for case in everything])

    def auc(rows: Rows) -> float:
        positive = sounding[rows]
        if positive.all() or not positive.any():
            return float("nan")
        return 100 * separation(presence[rows][positive], presence[rows][~positive])

    confidences = {
        OURS: np.array([case.confidence for case in everything]),
        VISION_ONLY: np.array([case.deaf_confidence for case in everything]),
    }
    apart = groups[~sounding]
    return NegativeFigures(
        name=name,
        n=len(negative),
        area=bootstrap_mean([case.area for case in negative], groups=apart),
        fires=bootstrap_mean(presence[~sounding] >= THRESHOLD, groups=apart, scale=100),
        presence_auc=bootstrap(auc, len(everything), groups=groups),
        extended=tuple(
            _row(predictor, rule, certain, [case.scores[predictor].iou for case in scored], groups)
            for predictor, certain in confidences.items()
            for rule in MASKS
        ),
    )


def _row(name: str, rule: Rule, confidences: Numbers, ious: Sequence[Numbers], groups: Groups) -> ExtendedRow:
    sounding = np.arange(len(confidences)) < len(ious)
    overlap = np.zeros(len(confidences))
    overlap[sounding] = [values[RULES.index(rule)] for values in ious]

    def figures(rows: Rows) -> tuple[float, float, float]:
        if not sounding[rows].any():
            return _UNKNOWN
        scores = extended_scores(confidences[rows], overlap[rows], sounding[rows])
        return 100 * scores.average_precision, 100 * scores.max_f1, 100 * scores.accuracy

    return ExtendedRow(name, rule, *bootstrap_each(figures, len(confidences), groups=groups))
