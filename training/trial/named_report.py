"""What a trial of names says: the share of right names, and how far language is ahead."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from training.evaluation.tables import NOTHING, Table, cell
from training.metrics.intervals import Estimate, bootstrap_mean
from training.trial.named import NamedThings
from training.trial.named_arms import LANGUAGE, Right, heard_arms, seen_arms


@dataclass(frozen=True, slots=True)
class Line:
    """An arm: its right names, and LANGUAGE minus it, both in percent; None for LANGUAGE, and without it."""

    name: str
    right: Estimate
    ahead: Estimate | None


@dataclass(frozen=True, slots=True)
class Part:
    """Figures of n things, of which `what` tells which they are."""

    what: str
    n: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class NamedReport:
    """Figures of one test, in parts that may overlap; an empty part is left out."""

    name: str
    parts: tuple[Part, ...]


def report_on(things: NamedThings, link: Tensor, *, found: NamedThings | None, boxes: int) -> NamedReport:
    """Figures of all arms by the link of `name_link`, with intervals that draw scenes or videos.

    Of what is silent only the arms are asked that do not hear.

    Args:
        things: in their true boxes.
        found, boxes: of `found_things`.
    """
    sounding, silent = things.of(things.sounding), things.of(~things.sounding)
    alone = np.bincount(sounding.frames, minlength=1)[sounding.frames] == 1
    chosen = {
        "that sound": sounding,
        "that sound, by concepts alone": by_concepts(sounding),
        "that sound alone": sounding.of(alone),
        "that sound beside others": sounding.of(~alone),
    }
    if found is not None:
        chosen[f"that sound, found by {boxes} boxes said to sound alone"] = found
    parts = [_part(what, some, seen_arms(some) | heard_arms(some, link)) for what, some in chosen.items()]
    parts.append(_part("that are silent", silent, seen_arms(silent)))
    return NamedReport(things.name, tuple(part for part in parts if part.n))


def by_concepts(things: NamedThings) -> NamedThings:
    """Those that belong to a concept, each without the events that it may be called besides.

    Only names of events profit from these: a stricter rule for them, and the same for other names.
    """
    kept = things.of(np.array([bool(meaning.concepts) for meaning in things.meanings], np.bool_))
    return replace(kept, meanings=tuple(replace(each, events=frozenset()) for each in kept.meanings))


def tables(report: NamedReport) -> list[Table]:
    """The report for terminal and docs."""
    header = ("name", "right", f"'{LANGUAGE}' is ahead by")
    return [
        Table(
            f"{report.name}: {part.n} things {part.what}; right names, percent",
            header,
            tuple((line.name, cell(line.right), _points(line.ahead)) for line in part.lines),
        )
        for part in report.parts
    ]


def _part(what: str, things: NamedThings, right: Right) -> Part:
    own = right.get(LANGUAGE)
    lines = (_line(name, values, own, things.groups) for name, values in right.items())
    return Part(what, len(things), tuple(lines) if len(things) else ())


def _line(name: str, values: np.ndarray, own: np.ndarray | None, groups: np.ndarray) -> Line:
    right = bootstrap_mean(values, groups=groups, scale=100)
    if own is None or name == LANGUAGE:
        return Line(name, right, None)
    return Line(name, right, bootstrap_mean(own - values, groups=groups, scale=100))


def _points(ahead: Estimate | None) -> str:
    return NOTHING if ahead is None else f"{ahead.value:.1f} [{ahead.low:.1f}, {ahead.high:.1f}]"
