"""What a trial says: one table a gallery, and how far the trained arm is ahead of its controls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.evaluation.boxes import BoxScores, make_row
from training.evaluation.report import Row
from training.evaluation.tables import NOTHING, Table, cell, number
from training.metrics.intervals import Estimate, bootstrap_mean
from training.metrics.localization import Rule, covers_centre
from training.trial.arms import SHUFFLED, TRAINED, UNTRAINED, Arm
from training.trial.gallery import Gallery

_RULES = (Rule.ABSOLUTE, Rule.AREA)


@dataclass(frozen=True, slots=True)
class Verdict:
    """An arm minus a control in points of pointing, the two compared on the same moments."""

    arm: str
    control: str
    ahead: Estimate


@dataclass(frozen=True, slots=True)
class GalleryReport:
    """Rows over a gallery, pointing of each seed in percent by arm, and the verdicts."""

    name: str
    n: int
    rows: tuple[Row, ...]
    seeds: dict[str, tuple[float, ...]]
    verdicts: tuple[Verdict, ...]


def report_on(
    gallery: Gallery,
    arms: Sequence[Arm],
    *,
    own: str = TRAINED,
    controls: Sequence[str] = (UNTRAINED, SHUFFLED),
) -> GalleryReport:
    """Figures of all arms, with intervals that draw scenes or videos, and how far `own` is ahead."""
    groups = gallery.groups
    off_centre = np.array([not covers_centre(truth) for truth in gallery.truths])
    by_name = {arm.name: arm for arm in arms}
    rows = tuple(
        make_row(arm.name, BoxScores.of(arm.mean()), off_centre=off_centre, groups=groups) for arm in arms
    )
    mine = by_name[own].pointing().mean(0)
    verdicts = []
    for control in controls:
        ahead = mine - by_name[control].pointing().mean(0)
        verdicts.append(Verdict(own, control, bootstrap_mean(ahead, groups=groups, scale=100)))
    seeds = {
        arm.name: tuple(round(100 * float(value), 1) for value in arm.pointing().mean(1))
        for arm in arms
        if len(arm.scores) > 1
    }
    return GalleryReport(gallery.name, len(gallery), rows, seeds, tuple(verdicts))


def tables(report: GalleryReport) -> list[Table]:
    """The report for terminal and docs."""
    header = ("map", "pointing", "each seed", "off-centre pointing", "cIoU threshold 0.5", "cIoU GT area")
    body = tuple(_line(row, report.seeds.get(row.name, ())) for row in report.rows)
    ahead = tuple(
        (
            f"{verdict.arm} ahead of {verdict.control}",
            number(verdict.ahead.value),
            f"{verdict.ahead.low:.1f} to {verdict.ahead.high:.1f}",
        )
        for verdict in report.verdicts
    )
    return [
        Table(f"{report.name}: {report.n} moments, one an example; percent", header, body),
        Table(f"{report.name}: points of pointing", ("difference", "points", "95 %"), ahead),
    ]


def write_json(path: Path, reports: Sequence[GalleryReport], about: dict[str, Any]) -> None:
    """All figures, with what they were made with."""
    content = {"about": about, "galleries": [asdict(report) for report in reports]}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _line(row: Row, seeds: tuple[float, ...]) -> tuple[str, ...]:
    whole, apart = row.everywhere, row.off_centre
    return (
        row.name,
        cell(whole.pointing),
        " ".join(map(str, seeds)) or NOTHING,
        NOTHING if apart is None else cell(apart.pointing),
        *(cell(whole.success[rule]) for rule in _RULES),
    )
