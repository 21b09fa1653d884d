"""A report as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from training.evaluation.report import (
    BoxFigures,
    Breakdown,
    CaseScore,
    ControlFigures,
    Goal,
    InteractiveFigures,
    NegativeFigures,
    QuietFigures,
    Report,
    Row,
    SwapFigures,
)
from training.evaluation.tables import NOTHING, RULE_NAMES, Table, cell, line, number
from training.metrics.localization import Rule

_LINES = ("what", "value", "95 % interval", "n")
_FIGURES = ("pointing", *RULE_NAMES.values(), "mean IoU", "mass")


def report_tables(report: Report) -> tuple[Table, ...]:
    """Everything but the single cases and the goals."""
    scored = _counted(report.n_scored, report.n_groups)
    tables = [
        _box_table(
            f"Pointing, and cIoU@0.5 by rule, in percent; {scored}",
            report.rows,
            figures_of=lambda row: row.everywhere,
        ),
    ]
    if report.n_off_centre:
        tables.append(
            _box_table(
                f"The same where the centre lies outside the truth; n = {report.n_off_centre}",
                report.rows,
                figures_of=lambda row: row.off_centre,
            )
        )
    tables.append(_auc_table(report, scored))
    tables.extend(_breakdown_table(breakdown) for breakdown in report.breakdowns)
    if report.negatives:
        tables.extend(_negative_tables(report.negatives))
    if report.scenes is not None:
        title = f"Pictures with several sources that sound in turn, n = {report.scenes.n}"
        tables.append(Table(title, _LINES, tuple(_interactive_rows("", report.scenes))))
    tables.append(_control_table(report))
    return tuple(tables)


def _counted(n: int, groups: int) -> str:
    """Intervals draw groups; where a group is a single example it goes without saying."""
    return f"n = {n}" if n == groups else f"n = {n} in {groups} groups"


def _box_cells(figures: BoxFigures) -> tuple[str, ...]:
    success = [cell(figures.success[rule]) for rule in Rule]
    return cell(figures.pointing), *success, cell(figures.mean_iou), cell(figures.mass)


def _box_table(title: str, rows: Iterable[Row], *, figures_of: Callable[[Row], BoxFigures | None]) -> Table:
    body = []
    for row in rows:
        figures = figures_of(row)
        if figures is not None:
            body.append((row.name, *_box_cells(figures)))
    return Table(title, ("map", *_FIGURES), tuple(body))


def _auc_table(report: Report, scored: str) -> Table:
    rows = [(row.name, *(cell(row.everywhere.auc[rule]) for rule in Rule)) for row in report.rows]
    return Table(f"AUC (21 thresholds) in percent; {scored}", ("map", *RULE_NAMES.values()), tuple(rows))


def _breakdown_table(breakdown: Breakdown) -> Table:
    rows = [
        (part.name, predictor, str(figures.n), *_box_cells(figures))
        for part in breakdown.parts
        for predictor, figures in part.figures.items()
    ]
    return Table(breakdown.title, ("part", "map", "n", *_FIGURES), tuple(rows), n_left=2)


def _negative_tables(negatives: Sequence[NegativeFigures]) -> tuple[Table, Table]:
    shown = Table(
        "Where nothing in sight makes the sound, in percent",
        ("examples", "n", "area marked", "presence at 0.5 or more", "presence against sounding ones, AUC"),
        tuple(
            (part.name, str(part.n), *(cell(value) for value in (part.area, part.fires, part.presence_auc)))
            for part in negatives
        ),
    )
    rows = [
        (
            part.name,
            row.name,
            RULE_NAMES[row.rule],
            *(cell(estimate) for estimate in (row.average_precision, row.max_f1, row.accuracy)),
        )
        for part in negatives
        for row in part.extended
    ]
    extended = Table(
        "Sounding examples and these, protocol of SLAVC, in percent",
        ("examples", "map", "mask", "AP", "max-F1", "LocAcc"),
        tuple(rows),
        n_left=3,
    )
    return shown, extended


def _control_table(report: Report) -> Table:
    controls = report.controls
    rows = [*_quiet_rows("silence", controls.silence)]
    for colour, quiet in controls.noises.items():
        rows.extend(_quiet_rows(f"{colour} noise", quiet))
    for name, swap in (
        ("sound of another kind", controls.other_kind),
        ("sound of another instrument", controls.other_instrument),
    ):
        if swap is not None:
            rows.extend(_swap_rows(name, swap))
    rows.extend(_picture_rows(controls))
    return Table(f"Controls; {report.n_cases} examples unless n is less", _LINES, tuple(rows))


def _quiet_rows(name: str, quiet: QuietFigures) -> list[tuple[str, ...]]:
    return [
        line(f"{name}: area marked, %", quiet.area, digits=2),
        (f"{name}: largest area on any example, %", f"{quiet.worst:.2f}", NOTHING, str(quiet.area.n)),
        line(f"{name}: maps with any cell at 0.5, %", quiet.false_alarms),
    ]


def _swap_rows(name: str, swap: SwapFigures) -> list[tuple[str, ...]]:
    return [
        line("right sound on the same frames: area marked, %", swap.own_area),
        line(f"{name} ({swap.n_pairs} pairs): area marked, %", swap.swapped_area),
        line(f"{name}: area as a share of the right sound's", swap.ratio, digits=2),
        line(f"{name}: presence, right against swapped, AUC", swap.presence_auc),
        line("right sound: presence at 0.5 or more, %", swap.fires_own),
        line(f"{name}: presence at 0.5 or more, %", swap.fires_swapped),
    ]


def _picture_rows(controls: ControlFigures) -> list[tuple[str, ...]]:
    rows = []
    if controls.flip_error is not None and controls.flip_iou is not None:
        rows.append(line("mirrored frame: mean difference of the heatmap", controls.flip_error, digits=3))
        rows.append(line("mirrored frame: IoU of the marked areas", controls.flip_iou))
    if controls.side_by_side is not None:
        rows.extend(_interactive_rows("two side by side: ", controls.side_by_side))
    return rows


def _interactive_rows(prefix: str, figures: InteractiveFigures) -> list[tuple[str, ...]]:
    return [
        line(f"{prefix}all pointed right, %", figures.pointing_all),
        line(f"{prefix}IIoU, threshold 0.5", figures.iiou),
        line(f"{prefix}IAUC, threshold 0.5", figures.iauc),
        line(f"{prefix}IIoU, GT area", figures.iiou_area),
        line(f"{prefix}IIoU of vision only, GT area", figures.iiou_saliency),
        line(f"{prefix}IIoU of the centre disc, GT area", figures.iiou_disc),
    ]


def goal_table(found: Iterable[Goal]) -> Table:
    rows = [
        (
            goal.name,
            f"{goal.value:.2f}",
            f"{'at least' if goal.at_least else 'at most'} {goal.bound:.2f}",
            "yes" if goal.met else "no",
        )
        for goal in found
    ]
    return Table("Goals", ("figure", "value", "goal", "met"), tuple(rows))


def case_table(cases: Iterable[CaseScore]) -> Table:
    """One line a case, to see what goes wrong where."""
    rows = []
    for case in cases:
        ious = case.iou or {}
        rows.append(
            (
                f"{case.id} ({case.label})" if case.label else case.id,
                case.role if case.pointing is None else ("hit" if case.pointing else "miss"),
                *(f"{ious[rule]:.2f}" if rule in ious else NOTHING for rule in (Rule.ABSOLUTE, Rule.AREA)),
                *(number(value) for value in (case.truth_area, case.own_area, case.swapped_area)),
                f"{case.presence:.2f}",
            )
        )
    header = (
        "example",
        "points",
        "IoU 0.5",
        "IoU GT area",
        "GT area",
        "own area",
        "swapped area",
        "presence",
    )
    return Table("Examples", header, tuple(rows))
