"""Which other cases a case is compared with: swapped sounds, and partners for a picture of two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from training.evaluation.cases import Case, Role
from training.evaluation.kinds import differ
from training.metrics.intervals import Groups

SEED = 7
ALL_UP_TO = 100  # cases; with more a draw of their sounds says as much
MOST_OTHERS = 20
MOST_PAIRS = 200

Indices = npt.NDArray[np.intp]


def other_sounds(cases: Sequence[Case], groups: Groups, *, seed: int = SEED) -> list[Indices]:
    """For each of n cases the cases whose sound is played to its picture: never one of its own group.

    All of them up to `ALL_UP_TO` cases, else `MOST_OTHERS` drawn by seed. Negative cases neither lend their
    sound, which belongs to no picture, nor are they played another.
    """
    generator = np.random.default_rng(seed)
    lenders = np.array([index for index, case in enumerate(cases) if case.role is not Role.NEGATIVE], np.intp)
    chosen = []
    for index, case in enumerate(cases):
        others = lenders[groups[lenders] != groups[index]]
        if case.role is Role.NEGATIVE:
            others = others[:0]
        elif len(cases) > ALL_UP_TO and len(others) > MOST_OTHERS:
            others = np.sort(generator.choice(others, MOST_OTHERS, replace=False))
        chosen.append(others)
    return chosen


def partners(cases: Sequence[Case], *, seed: int = SEED) -> list[tuple[int, int]]:
    """One partner of another kind for each scored case that has any, drawn by seed: (left, right) indices.

    At most `MOST_PAIRS` cases get one, drawn from all if there are more.
    """
    generator = np.random.default_rng(seed)
    scored = [index for index, case in enumerate(cases) if case.scored]
    lefts = scored
    if len(scored) > MOST_PAIRS:
        lefts = sorted(generator.choice(scored, MOST_PAIRS, replace=False).tolist())
    pairs = []
    for left in lefts:
        fitting = [right for right in scored if differ(cases[left].kinds, cases[right].kinds)]
        if fitting:
            pairs.append((left, int(generator.choice(fitting))))
    return pairs


def scenes(cases: Sequence[Case]) -> list[list[int]]:
    """The scored cases of each scene of which there are two or more."""
    found: dict[str, list[int]] = {}
    for index, case in enumerate(cases):
        if case.scored and case.facts.scene:
            found.setdefault(case.facts.scene, []).append(index)
    return [members for members in found.values() if len(members) > 1]
