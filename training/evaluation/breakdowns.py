"""The scored cases taken apart: by the size of the source, and by what a reader knows of an example."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from training.evaluation.boxes import BoxScores, box_figures
from training.evaluation.cases import Case
from training.evaluation.report import CENTRE_DISC, OURS, VISION_ONLY, Breakdown, Part
from training.metrics.intervals import Groups
from training.metrics.sizes import Size

PREDICTORS = (OURS, CENTRE_DISC, VISION_ONLY)

_SIZES = {
    Size.SMALL: "below 32 x 32",
    Size.MEDIUM: "to 96 x 96",
    Size.LARGE: "to 144 x 144",
    Size.HUGE: "beyond",
}
# What readers may say of an example in `Facts.extra`: title of the breakdown, and a name for each value.
_EXTRA: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "heard": ("By class", {"yes": "in the training list of EZ-VSL", "no": "not in that list"}),
    "known_kind": ("By kind of object", {"yes": "new pictures of known kinds", "no": "new kinds"}),
}


def break_down(
    cases: Sequence[Case], sizes: Sequence[Size], scores: Mapping[str, BoxScores], groups: Groups
) -> tuple[Breakdown, ...]:
    """Every breakdown for which something is known.

    Args:
        cases: the n scored ones.
        sizes: of their truths.
        scores: by predictor, of these cases.
        groups: (n,)
    """
    chosen = {name: scores[name] for name in PREDICTORS}
    title = "By area of the source in pixels of 224 x 224"
    found = [_breakdown(title, [_SIZES[size] for size in sizes], _SIZES.values(), chosen, groups)]
    for key, (title, names) in _EXTRA.items():
        said = [names.get(case.facts.extra.get(key, ""), "") for case in cases]
        if any(said):
            found.append(_breakdown(title, said, names.values(), chosen, groups))
    return tuple(found)


def _breakdown(
    title: str, said: Sequence[str], names: Iterable[str], scores: Mapping[str, BoxScores], groups: Groups
) -> Breakdown:
    parts = []
    for name in names:
        there = np.array([one == name for one in said])
        if there.any():
            figures = {
                predictor: box_figures(every.select(there), groups[there])
                for predictor, every in scores.items()
            }
            parts.append(Part(name, figures))
    return Breakdown(title, tuple(parts))
