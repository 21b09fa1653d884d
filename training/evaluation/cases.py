"""What an evaluation works on: one judged frame of each example with the sound around it, encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from training.data.examples import Facts, Footage
from training.evaluation.kinds import instruments_of, kinds_of
from training.evaluation.sounds import Floats, Sounds


class Role(StrEnum):
    """What a case can be asked.

    SCORED: where the sound comes from is known, and the source is in sight.
    NEGATIVE: it is known that nothing in sight makes the sound.
    UNJUDGED: nothing is known. It takes part in the controls, which need no truth.
    """

    SCORED = "scored"
    NEGATIVE = "negative"
    UNJUDGED = "unjudged"


@dataclass(frozen=True, slots=True)
class Moment:
    """What is kept of an example's footage.

    Attributes:
        role: what the frame can be asked.
        time_s: of the frame on the displayed timeline.
        frame: (S, S, 3) uint8.
        truth: (224, 224) float32 in [0, 1]; zero unless scored.
        waveform, waveform_start_s: the whole sound, as in `Footage`.
    """

    role: Role
    time_s: float
    frame: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.float32]
    waveform: npt.NDArray[np.float32]
    waveform_start_s: float


def choose_moment(footage: Footage, *, sounding: bool, wanted_s: float | None) -> Moment:
    """The judged frame of an example: of those on which a source is marked the one nearest to the middle,
    else the judged frame nearest to the middle, else the frame nearest to `wanted_s`.

    Args:
        footage: of the example.
        sounding: whether a source of the sound should be in sight, see `Facts`.
        wanted_s: a moment for examples without truth; None is the middle.

    Raises:
        ValueError: if there is no frame, or a source should be in sight and the truth covers no pixel.
    """
    times_s, judged = footage.times_s, footage.judged
    if not len(times_s):
        raise ValueError("it has no frame")
    middle_s = (times_s[0] + times_s[-1]) / 2
    marked = judged & footage.truth.any(axis=(1, 2))
    if marked.any():
        role, index = Role.SCORED, _nearest(times_s, marked, middle_s)
    elif judged.any():
        if sounding:
            raise ValueError("a source should be in sight, but the truth covers no pixel of it")
        role, index = Role.NEGATIVE, _nearest(times_s, judged, middle_s)
    else:
        moment_s = middle_s if wanted_s is None else wanted_s
        role, index = Role.UNJUDGED, _nearest(times_s, np.ones_like(judged), moment_s)
    return Moment(
        role=role,
        time_s=float(times_s[index]),
        frame=footage.frames[index].copy(),
        truth=footage.truth[index].copy(),
        waveform=footage.waveform,
        waveform_start_s=footage.waveform_start_s,
    )


def _nearest(times_s: npt.NDArray[np.float64], among: npt.NDArray[np.bool_], moment_s: float) -> int:
    return int(np.where(among, np.abs(times_s - moment_s), np.inf).argmin())


@dataclass(frozen=True, slots=True)
class Case:
    """One judged frame of an example, without its arrays.

    Attributes:
        facts: of the example.
        role: what it can be asked.
        time_s: of the frame.
        kinds, instruments: coarse classes of its labels, see `training.evaluation.kinds`.
    """

    facts: Facts
    role: Role
    time_s: float
    kinds: frozenset[str]
    instruments: frozenset[str]

    @classmethod
    def of(cls, facts: Facts, *, role: Role, time_s: float) -> Case:
        label = ", ".join(facts.labels)
        return cls(facts, role, time_s, kinds_of(label), instruments_of(label))

    @property
    def label(self) -> str:
        return ", ".join(self.facts.labels)

    @property
    def scored(self) -> bool:
        return self.role is Role.SCORED


@dataclass(frozen=True, slots=True)
class Pictures:
    """The arrays of n cases, in memory or mapped from a file; any float type.

    Attributes:
        frames: (n, S, S, 3) uint8.
        tokens: (n, G, G, Dv).
        class_maps: (n, H, W, C).
        truths: (n, 224, 224) in [0, 1].
    """

    frames: npt.NDArray[np.uint8]
    tokens: npt.NDArray[np.floating]
    class_maps: npt.NDArray[np.floating]
    truths: npt.NDArray[np.floating]

    def encoded(self, index: int) -> tuple[Floats, Floats]:
        """Tokens and class map of one picture, float32."""
        return np.asarray(self.tokens[index], np.float32), np.asarray(self.class_maps[index], np.float32)

    def truth(self, index: int) -> Floats:
        """(224, 224) float32."""
        return np.asarray(self.truths[index], np.float32)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An example that could not be used, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """n cases with their pictures and sounds, in one order, and what could not be used."""

    cases: tuple[Case, ...]
    pictures: Pictures
    sounds: Sounds
    left_out: tuple[LeftOut, ...] = ()

    def indices(self, *roles: Role) -> list[int]:
        """The cases with one of these roles."""
        return [index for index, case in enumerate(self.cases) if case.role in roles]


def groups_of(cases: Sequence[Case]) -> npt.NDArray[np.intp]:
    """(n,) a number for each case, the same for cases that depend on each other: those that share a group or
    a scene, directly or through others."""
    parent = list(range(len(cases)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[tuple[str, str], int] = {}
    for index, case in enumerate(cases):
        for key in (("group", case.facts.group), ("scene", case.facts.scene)):
            if key[1]:
                parent[root(index)] = root(first.setdefault(key, index))
    return np.array([root(index) for index in range(len(cases))], np.intp)
