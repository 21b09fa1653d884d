"""Who is in a scene and what is heard when: drawn from the collection, before anything has a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np

from training.data.composites.collection import Cutout, Kind, Recording, Sources
from training.data.composites.inventory import CompositeError
from training.data.examples import Split

Situation = Literal["one", "two", "silence", "offscreen"]
T = TypeVar("T")

Span = tuple[float, float]  # onset and offset in seconds

_CAPABLE_SHARE = 0.6  # of the objects that stay silent, those that could sound
_SHORTEST_S = 0.8  # of a stretch of sound
_PAUSE_S = 0.5  # at least so long between two stretches
_QUIETEST_DB, _LOUDEST_DB = -8.0, 4.0
_SPEED = (0.92, 1.09)


@dataclass(frozen=True, slots=True)
class Options:
    """What scenes are like.

    Attributes:
        sources: see there.
        duration_s: of a scene.
        silence: share of scenes in which nothing sounds.
        offscreen: share of scenes in which only something sounds that is not in the picture.
        two: share of scenes in which two objects sound, in turns or at once.
        objects: shares of scenes with one, two and three objects.
        whole: of the scenes in which one object sounds, the share in which it sounds from start to end.
        noise: share of scenes with background noise.
        grain: whether frames have film grain.
    """

    sources: Sources = field(default_factory=Sources)
    duration_s: float = 4.0
    silence: float = 0.08
    offscreen: float = 0.12
    two: float = 0.2
    objects: tuple[float, float, float] = (0.3, 0.4, 0.3)
    whole: float = 0.5
    noise: float = 0.5
    grain: bool = True


@dataclass(frozen=True, slots=True)
class Role:
    """An object in the scene. `capable`: it belongs to a kind that can sound."""

    kind: Kind
    cutout: Cutout
    capable: bool


@dataclass(frozen=True, slots=True)
class Sounding:
    """A sound in the scene.

    Attributes:
        kind: what makes it.
        recording: of it.
        role: index of the object that makes it; None for one that is not in the picture.
        spans: when it is heard, in order, apart from one another.
        level_db: relative to the common level.
        speed: see `waves.stretch`.
        seed: of the cuts and repeats.
    """

    kind: Kind
    recording: Recording
    role: int | None
    spans: tuple[Span, ...]
    level_db: float = 0.0
    speed: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Script:
    """Who is in the scene and what is heard."""

    situation: Situation
    roles: tuple[Role, ...]
    sounds: tuple[Sounding, ...]


class Casting:
    """Draws scripts from the part of a collection that a split may use."""

    def __init__(self, kinds: Sequence[Kind], *, split: Split, options: Options) -> None:
        """Raises CompositeError if no object of the split can sound."""
        self._sounding = tuple(kind for kind in kinds if kind.cutouts and kind.recordings)
        self._silent = tuple(kind for kind in kinds if not kind.recordings)
        self._heard = tuple(kind for kind in kinds if kind.recordings)
        self._options = options
        if not self._sounding:
            raise CompositeError(
                f"no object of the split {split} has a sound: more kinds, or kinds with several pictures and "
                "several recordings, are needed"
            )

    def draw(self, rng: np.random.Generator) -> Script:
        """One script."""
        options = self._options
        n_objects = 1 + int(rng.choice(3, p=np.asarray(options.objects) / sum(options.objects)))
        one = 1 - options.silence - options.offscreen - options.two
        situation: Situation = ("one", "two", "silence", "offscreen")[
            int(rng.choice(4, p=[one, options.two, options.silence, options.offscreen]))
        ]
        if situation == "two":
            pair = self._two(rng)
            if pair is not None:
                return self._script("two", pair, max(2, n_objects), _two_spans(rng, options.duration_s), rng)
            situation = "one"
        if situation == "one":
            spans = (_one_span(rng, options.duration_s, whole=options.whole),)
            return self._script("one", (_pick(self._sounding, rng),), n_objects, spans, rng)
        if situation == "offscreen":
            return self._offscreen(n_objects, rng)
        return Script("silence", self._company((), n_objects, rng, free=True), ())

    def draw_interactive(self, rng: np.random.Generator) -> tuple[Script, Script]:
        """Two scripts with the same objects, two of which take part: each alone, from start to end.

        Raises:
            CompositeError: all kinds of the split could make each other's sounds.
        """
        pair = self._two(rng)
        if pair is None:
            raise CompositeError(
                "all kinds of this split sound alike: no scene has two that can be told apart"
            )
        whole: tuple[Span, ...] = ((0.0, self._options.duration_s),)
        both = self._script("two", pair, 2, (whole, whole), rng)
        first, second = (Script("one", both.roles, (sound,)) for sound in both.sounds)
        return first, second

    def _script(
        self,
        situation: Situation,
        kinds: Sequence[Kind],
        n_objects: int,
        spans: Sequence[tuple[Span, ...]],
        rng: np.random.Generator,
    ) -> Script:
        roles = self._company(kinds, n_objects, rng)
        sounds = tuple(
            _sounding(kind, role, when, rng)
            for role, (kind, when) in enumerate(zip(kinds, spans, strict=True))
        )
        return Script(situation, roles, sounds)

    def _offscreen(self, n_objects: int, rng: np.random.Generator) -> Script:
        """A sound whose object is not in the picture, nor anything that could make it."""
        kind = _pick(self._heard, rng)
        others = self._company((), n_objects, rng, free=True, unlike=frozenset({kind.alike}))
        span = _one_span(rng, self._options.duration_s, whole=self._options.whole)
        return Script("offscreen", others, (_sounding(kind, None, span, rng),))

    def _two(self, rng: np.random.Generator) -> tuple[Kind, Kind] | None:
        first = _pick(self._sounding, rng)
        others = [kind for kind in self._sounding if kind.alike != first.alike]
        return (first, _pick(others, rng)) if others else None

    def _company(
        self,
        kinds: Sequence[Kind],
        n_objects: int,
        rng: np.random.Generator,
        *,
        free: bool = False,
        unlike: frozenset[str] = frozenset(),
    ) -> tuple[Role, ...]:
        """Objects of the kinds that sound, and others that could not make their sounds.

        With `free`, nothing sounds in the picture, so that the others may be alike.
        """
        roles = [Role(kind, _any(kind.cutouts, rng), True) for kind in kinds]
        taken = unlike | {kind.alike for kind in kinds}
        while len(roles) < n_objects:
            capable = rng.random() < _CAPABLE_SHARE
            pool = [kind for kind in (self._sounding if capable else self._silent) if kind.alike not in taken]
            pool = pool or [kind for kind in (*self._sounding, *self._silent) if kind.alike not in taken]
            if not pool:
                break
            kind = _pick(pool, rng)
            roles.append(Role(kind, _any(kind.cutouts, rng), bool(kind.recordings)))
            taken |= frozenset() if free else {kind.alike}
        return tuple(roles)


def _pick(kinds: Sequence[Kind], rng: np.random.Generator) -> Kind:
    """A kind: families with many kinds more often, but not in proportion."""
    families = sorted({kind.family for kind in kinds})
    weights = np.sqrt([sum(kind.family == family for kind in kinds) for family in families])
    family = families[int(rng.choice(len(families), p=weights / weights.sum()))]
    return _any([kind for kind in kinds if kind.family == family], rng)


def _any(items: Sequence[T], rng: np.random.Generator) -> T:
    return items[int(rng.integers(len(items)))]


def _sounding(kind: Kind, role: int | None, spans: tuple[Span, ...], rng: np.random.Generator) -> Sounding:
    # First the file or the voice and then the take, or the many takes would drown the few recordings.
    sources = list(dict.fromkeys(recording.source for recording in kind.recordings))
    source = _any(sources, rng)
    recording = _any([item for item in kind.recordings if item.source == source], rng)
    return Sounding(
        kind=kind,
        recording=recording,
        role=role,
        spans=spans,
        level_db=float(rng.uniform(_QUIETEST_DB, _LOUDEST_DB)),
        speed=round(float(rng.uniform(*_SPEED)), 2),
        seed=int(rng.integers(2**31)),
    )


def _one_span(rng: np.random.Generator, duration_s: float, *, whole: float) -> tuple[Span, ...]:
    """From start to end, or a part, or two parts with a pause between them."""
    if rng.random() < whole:
        return ((0.0, duration_s),)
    if rng.random() < 0.7:
        length_s = rng.uniform(min(_SHORTEST_S, duration_s / 2), 0.8 * duration_s)
        onset_s = rng.uniform(0, duration_s - length_s)
        return (_span(onset_s, onset_s + length_s),)
    first, second = _turns(rng, duration_s)
    return (first, second)


def _two_spans(rng: np.random.Generator, duration_s: float) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """One after the other, or overlapping."""
    if rng.random() < 0.5:
        turns = _turns(rng, duration_s)
        first, second = turns if rng.random() < 0.5 else turns[::-1]
        return (first,), (second,)
    early = _span(0.0, rng.uniform(0.6, 1.0) * duration_s)
    late = _span(rng.uniform(0.0, 0.4) * duration_s, duration_s)
    return ((early,), (late,)) if rng.random() < 0.5 else ((late,), (early,))


def _turns(rng: np.random.Generator, duration_s: float) -> tuple[Span, Span]:
    middle_s, pause_s = rng.uniform(0.38, 0.62) * duration_s, rng.uniform(_PAUSE_S, 0.25 * duration_s)
    edges = rng.uniform(0, 0.12, 2) * duration_s
    return _span(edges[0], middle_s - pause_s / 2), _span(middle_s + pause_s / 2, duration_s - edges[1])


def _span(onset_s: float, offset_s: float) -> Span:
    return round(float(onset_s), 3), round(float(offset_s), 3)
