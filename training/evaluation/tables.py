"""A report as tables: described once, drawn on the terminal and written to the docs, so the two agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rich.table import Table as RichTable

from training.evaluation.report import (
    BoxFigures,
    ClipScore,
    ControlFigures,
    Goal,
    QuietFigures,
    Report,
    Row,
    SwapFigures,
    goals,
)
from training.evaluation.trivial import TrivialFigure
from training.metrics.intervals import Estimate
from training.metrics.localization import Rule

RULE_NAMES = {
    Rule.ABSOLUTE: "threshold 0.5",
    Rule.HALF: "top 50 %",
    Rule.AREA: "GT area",
    Rule.MINMAX: "min-max 0.5",
}
NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Table:
    """Text only. The first column is set left, the others right."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def to_rich(table: Table) -> RichTable:
    drawn = RichTable(title=table.title, title_justify="left")
    for index, name in enumerate(table.header):
        drawn.add_column(name, justify="left" if index == 0 else "right")
    for row in table.rows:
        drawn.add_row(*row)
    return drawn


def to_markdown(table: Table) -> str:
    rule = ["---", *["---:"] * (len(table.header) - 1)]
    lines = [" | ".join(cells) for cells in (table.header, rule, *table.rows)]
    return f"### {table.title}\n\n" + "\n".join(f"| {line} |" for line in lines) + "\n"


def report_tables(report: Report) -> tuple[Table, ...]:
    """Everything but the single clips."""
    tables = [
        _box_table(
            f"Pointing, and cIoU@0.5 by rule, in percent; n = {report.n_scored} clips",
            report.rows,
            figures_of=lambda row: row.everywhere,
        ),
    ]
    if report.n_off_centre:
        tables.append(
            _box_table(
                f"The same where the centre lies outside the boxes; n = {report.n_off_centre} clips",
                report.rows,
                figures_of=lambda row: row.off_centre,
            )
        )
    tables.extend([_auc_table(report), _control_table(report), goal_table(goals(report))])
    return tuple(tables)


def _box_table(title: str, rows: Iterable[Row], *, figures_of: Callable[[Row], BoxFigures | None]) -> Table:
    body = []
    for row in rows:
        figures = figures_of(row)
        if figures is not None:
            success = [_cell(figures.success[rule]) for rule in Rule]
            body.append((row.name, _cell(figures.pointing), *success, _cell(figures.mean_iou)))
    return Table(title, ("map", "pointing", *RULE_NAMES.values(), "mean IoU"), tuple(body))


def _auc_table(report: Report) -> Table:
    rows = [(row.name, *(_cell(row.everywhere.auc[rule]) for rule in Rule)) for row in report.rows]
    return Table(
        f"AUC (21 thresholds) in percent, n = {report.n_scored} clips",
        ("map", *RULE_NAMES.values()),
        tuple(rows),
    )


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
    return Table(
        f"Controls, n = {report.n_clips} clips unless said",
        ("what", "value", "95 % interval", "n"),
        tuple(rows),
    )


def _quiet_rows(name: str, quiet: QuietFigures) -> list[tuple[str, ...]]:
    return [
        _line(f"{name}: area marked, %", quiet.area, digits=2),
        (f"{name}: largest area on any clip, %", f"{quiet.worst:.2f}", NOTHING, str(quiet.area.n)),
        _line(f"{name}: maps with any cell at 0.5, %", quiet.false_alarms),
    ]


def _swap_rows(name: str, swap: SwapFigures) -> list[tuple[str, ...]]:
    return [
        _line("right sound on the same frames: area marked, %", swap.own_area),
        _line(f"{name} ({swap.n_pairs} pairs): area marked, %", swap.swapped_area),
        _line(f"{name}: area as a share of the right sound's", swap.ratio, digits=2),
        _line(f"{name}: presence, right against swapped, AUC", swap.presence_auc),
        _line("right sound: presence at 0.5 or more, %", swap.fires_own),
        _line(f"{name}: presence at 0.5 or more, %", swap.fires_swapped),
    ]


def _picture_rows(controls: ControlFigures) -> list[tuple[str, ...]]:
    rows = []
    if controls.flip_error is not None and controls.flip_iou is not None:
        rows.append(_line("mirrored frame: mean difference of the heatmap", controls.flip_error, digits=3))
        rows.append(_line("mirrored frame: IoU of the marked areas", controls.flip_iou))
    both = controls.interactive
    if both is not None:
        rows.append(_line("two clips side by side: both pointed right, %", both.pointing_both))
        rows.append(_line("two clips side by side: IIoU, threshold 0.5", both.iiou))
        rows.append(_line("two clips side by side: IAUC, threshold 0.5", both.iauc))
        rows.append(_line("two clips side by side: IIoU, GT area", both.iiou_area))
        rows.append(_line("two clips side by side: IIoU of vision only, GT area", both.iiou_saliency))
    return rows


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


def clip_table(clips: Iterable[ClipScore]) -> Table:
    """One line a clip, to see what goes wrong where."""
    rows = []
    for clip in clips:
        ious = clip.iou or {}
        rows.append(
            (
                f"{clip.file} ({clip.sounds})",
                NOTHING if clip.pointing is None else ("hit" if clip.pointing else "miss"),
                *(f"{ious[rule]:.2f}" if rule in ious else NOTHING for rule in (Rule.ABSOLUTE, Rule.AREA)),
                *(_number(value) for value in (clip.truth_area, clip.own_area, clip.swapped_area)),
                f"{clip.presence:.2f}",
            )
        )
    header = ("clip", "points", "IoU 0.5", "IoU GT area", "GT area", "own area", "swapped area", "presence")
    return Table("Clips", header, tuple(rows))


def trivial_table(figures: Iterable[TrivialFigure]) -> Table:
    rows = []
    for figure in figures:
        published = NOTHING if figure.published is None else "{:.2f} / {:.2f}".format(*figure.published)
        rows.append(
            (
                figure.dataset,
                figure.rounding,
                str(figure.n),
                figure.predictor,
                f"{figure.success:.2f}",
                f"{figure.auc:.2f}",
                _number(figure.iiou, digits=2),
                published,
            )
        )
    header = ("boxes", "rounding", "n", "predictor", "cIoU@0.5", "AUC", "IIoU", "published")
    return Table("Predictors without a model", header, tuple(rows))


def _number(value: float | None, *, digits: int = 1) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def _cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return NOTHING
    return f"{estimate.value:.1f} [{estimate.low:.0f}, {estimate.high:.0f}]"


def _line(name: str, estimate: Estimate, *, digits: int = 1) -> tuple[str, ...]:
    interval = f"{estimate.low:.{digits}f} to {estimate.high:.{digits}f}"
    return name, f"{estimate.value:.{digits}f}", interval, str(estimate.n)
