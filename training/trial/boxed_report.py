"""What a trial of detectors says: average precision with intervals, and how its classes fit kinds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchmetrics.functional.clustering import adjusted_rand_score, normalized_mutual_info_score

from training.evaluation.tables import NOTHING, Table, cell, number
from training.methods.avdet.evidence import Things
from training.methods.avdet.module import Found
from training.methods.avdet.naming import majority_names, matched_names
from training.metrics.detection import TAUS, RankedHits, mean_ap, ranked_hits, taken_boxes
from training.metrics.intervals import Estimate, bootstrap_each
from training.trial.boxed import BoxedGallery
from training.trial.boxed_arms import TRAINED, BoxedArm

_MAIN = 0.5


@dataclass(frozen=True, slots=True)
class BoxedRow:
    """Class-agnostic AP in percent, means over the seeds.

    Attributes:
        every: at IoU 0.5 against all marked things; its interval draws scenes or videos.
        seeds: the same under each seed.
        at_30, over_taus: at IoU 0.3, and the mean over 0.50 to 0.95.
        sounding: at IoU 0.5 against what makes the sound; None where nothing does.
        ahead: TRAINED minus this row, `every`; None for TRAINED itself.
    """

    name: str
    every: Estimate
    seeds: tuple[float, ...]
    at_30: float
    over_taus: float
    sounding: Estimate | None
    ahead: Estimate | None


@dataclass(frozen=True, slots=True)
class Naming:
    """How well the classes of detections that hit a thing tell its kind; percent, means over the seeds.

    Attributes:
        hits: how many there are.
        nmi, ari, purity: of classes against kinds.
        one_to_one, many_to_one: mean AP at IoU 0.5 over the kinds, with one class a kind (Hungarian method),
            or each class called like most of it, both found on validation data.
    """

    hits: int
    nmi: float
    ari: float
    purity: float
    one_to_one: float
    many_to_one: float


@dataclass(frozen=True, slots=True)
class BoxedReport:
    name: str
    n: int
    n_things: int
    rows: tuple[BoxedRow, ...]
    naming: dict[str, Naming]


def report_on(
    gallery: BoxedGallery, arms: Sequence[BoxedArm], *, val: BoxedGallery, known: Sequence[BoxedArm] = ()
) -> BoxedReport:
    """Figures of all arms.

    Args:
        gallery: what is measured on.
        arms: TRAINED among them.
        val: validation frames, by which classes are named if their kinds are those of the gallery.
        known: arms on those frames, under the names they have here; they get a `Naming`.
    """
    by_name = {arm.name: arm for arm in arms}
    rows = tuple(_row(arm, by_name[TRAINED], gallery) for arm in arms)
    same = set(gallery.things.label) & set(val.things.label)
    naming = {arm.name: _naming(by_name[arm.name], arm, gallery, val) for arm in known if same}
    return BoxedReport(gallery.name, len(gallery), len(gallery.things.frame), rows, naming)


def tables(report: BoxedReport) -> list[Table]:
    """The report for terminal and docs."""
    header = ("boxes", "AP50", "each seed", "AP30", "AP50:95", "AP50, sounding", "AVDet is ahead by")
    body = tuple(
        (
            row.name,
            cell(row.every),
            " ".join(f"{value:.1f}" for value in row.seeds) if len(row.seeds) > 1 else NOTHING,
            number(row.at_30),
            number(row.over_taus),
            NOTHING if row.sounding is None else cell(row.sounding),
            NOTHING
            if row.ahead is None
            else f"{row.ahead.value:.1f} [{row.ahead.low:.1f}, {row.ahead.high:.1f}]",
        )
        for row in report.rows
    )
    title = f"{report.name}: {report.n} frames, {report.n_things} things; class-agnostic, percent"
    drawn = [Table(title, header, body)]
    if report.naming:
        columns = ("boxes", "hits", "NMI", "ARI", "purity", "mAP50, one class a kind", "mAP50, many to one")
        lines = tuple(_named_line(name, named) for name, named in report.naming.items())
        drawn.append(Table(f"{report.name}: classes against kinds; percent", columns, lines))
    return drawn


def _named_line(name: str, named: Naming) -> tuple[str, ...]:
    values = (named.nmi, named.ari, named.purity, named.one_to_one, named.many_to_one)
    return (name, str(named.hits), *map(number, values))


def write_json(path: Path, reports: Sequence[BoxedReport], about: dict[str, Any]) -> None:
    """All figures, with what they were made with."""
    content = {"about": about, "galleries": [asdict(report) for report in reports]}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _row(arm: BoxedArm, trained: BoxedArm, gallery: BoxedGallery) -> BoxedRow:
    seeds, every, ahead = _estimates(arm, trained, gallery, gallery.things)
    sounding = None
    if len(gallery.sounding.frame):
        _, sounding, _ = _estimates(arm, trained, gallery, gallery.sounding)
    at = {tau: _mean_ap_at(arm, gallery, tau) for tau in (0.3, *TAUS)}
    return BoxedRow(
        arm.name,
        every,
        seeds,
        at[0.3],
        float(np.mean([at[tau] for tau in TAUS])),
        sounding,
        None if arm.name == trained.name else ahead,
    )


def _estimates(
    arm: BoxedArm, trained: BoxedArm, gallery: BoxedGallery, things: Things
) -> tuple[tuple[float, ...], Estimate, Estimate]:
    mine, theirs = ([_hits(found, gallery, things, _MAIN) for found in one.found] for one in (arm, trained))

    def both(rows: np.ndarray) -> tuple[float, float]:
        times = np.bincount(rows, minlength=len(gallery))
        own = float(np.mean([hits.ap(times) for hits in mine]))
        return 100 * own, 100 * (float(np.mean([hits.ap(times) for hits in theirs])) - own)

    every, ahead = bootstrap_each(both, len(gallery), groups=gallery.groups)
    return tuple(100 * hits.ap() for hits in mine), every, ahead


def _mean_ap_at(arm: BoxedArm, gallery: BoxedGallery, tau: float) -> float:
    return 100 * float(np.mean([_hits(found, gallery, gallery.things, tau).ap() for found in arm.found]))


def _hits(found: Found, gallery: BoxedGallery, things: Things, tau: float) -> RankedHits:
    return ranked_hits(found.boxes, found.score, things.boxes, n_images=len(gallery), tau=tau)


def _naming(arm: BoxedArm, known: BoxedArm, gallery: BoxedGallery, val: BoxedGallery) -> Naming:
    parts = [
        _naming_of(found, gallery.things, seen, val.things)
        for found, seen in zip(arm.found, known.found, strict=True)
    ]
    mean = np.mean(np.array([part[1:] for part in parts]), axis=0)
    return Naming(round(np.mean([part[0] for part in parts])), *(100 * float(value) for value in mean))


def _naming_of(found: Found, things: Things, seen: Found, known: Things) -> tuple[float, ...]:
    """Hits, NMI, ARI, purity and the two mean APs of one seed; names come from `seen` among `known`."""
    classes, kinds = _pairs(seen, known)
    n_classes = int(max(seen.label.max(initial=0), found.label.max(initial=0))) + 1
    listed = sorted(set(things.label))
    truth = replace(things.boxes, label=np.array([listed.index(name) for name in things.label]))
    aps = []
    for names in (matched_names(classes, kinds, n_clusters=n_classes), majority_names(classes, kinds)):
        called = [names.get(int(label), "") for label in found.label]
        labels = np.array([listed.index(name) if name in listed else -1 for name in called])
        aps.append(mean_ap(replace(found.boxes, label=labels), found.score, truth))
    hit, kind = _pairs(found, things)
    return (len(hit), *_agreement(hit, kind), *aps)


def _agreement(classes: np.ndarray, kinds: list[str]) -> tuple[float, float, float]:
    """NMI, ARI and purity; 0 without anything to compare."""
    if not kinds:
        return 0.0, 0.0, 0.0
    listed = sorted(set(kinds))
    pair = torch.from_numpy(classes), torch.tensor([listed.index(name) for name in kinds])
    with torch.sparse.check_sparse_tensor_invariants(enable=False):  # PyTorch warns where nobody has chosen
        nmi, ari = float(normalized_mutual_info_score(*pair)), float(adjusted_rand_score(*pair))
    own = majority_names(classes, kinds)
    purity = float(np.mean([own[int(one)] == name for one, name in zip(classes, kinds, strict=True)]))
    return nmi, ari, purity


def _pairs(found: Found, things: Things) -> tuple[np.ndarray, list[str]]:
    """Class and kind of every detection that takes a thing."""
    taken = taken_boxes(found.boxes, found.score, things.boxes)
    return found.label[taken >= 0], [things.label[index] for index in taken[taken >= 0]]
