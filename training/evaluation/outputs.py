"""Where a report goes besides the terminal: JSON, the docs page, and the metrics of a bundle's manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from app.inference.manifest import Metric
from training.evaluation.benchmarks import CLIPS
from training.evaluation.models import Model
from training.evaluation.report import CENTRE_DISC, OURS, BoxFigures, Report, goals
from training.evaluation.report_tables import goal_table, report_tables
from training.evaluation.tables import RULE_NAMES, Table, to_markdown
from training.metrics.intervals import Estimate
from training.metrics.localization import Rule

SCHEMA = "earsight.evaluation/2"
BEGIN = "<!-- evaluation: begin; written by `earsight-train evaluate clips --write-docs` -->"
END = "<!-- evaluation: end -->"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What was evaluated on what, when and how. `command` names no path of the machine it ran on.

    `checkpoint` is empty for the localiser of the bundle, which `fitted_on` speaks of.
    """

    benchmark: str
    split: str
    bundle: str
    version: str
    fitted_on: str
    checkpoint: str
    checkpoint_sha256: str
    day: date
    command: str
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        model: Model,
        *,
        benchmark: str,
        split: str,
        day: date,
        command: str,
        remarks: tuple[str, ...] = (),
    ) -> Provenance:
        manifest = model.bundle.manifest
        return cls(
            benchmark=benchmark,
            split=split,
            bundle=manifest.name,
            version=manifest.version,
            fitted_on="" if model.checkpoint else manifest.calibration.fitted_on,
            checkpoint=model.checkpoint,
            checkpoint_sha256=model.checkpoint_sha256,
            day=day,
            command=command,
            remarks=remarks,
        )

    @property
    def has_goals(self) -> bool:
        """Whether the goals of the default bundle apply: they were set for the development clips."""
        return self.benchmark == CLIPS


def all_tables(report: Report, provenance: Provenance) -> tuple[Table, ...]:
    """Everything but the single cases."""
    return (*report_tables(report), *([goal_table(goals(report))] if provenance.has_goals else []))


def report_document(report: Report, provenance: Provenance) -> dict[str, Any]:
    """The whole report for `json.dumps`."""
    reached = goals(report) if provenance.has_goals else ()
    return {
        "schema": SCHEMA,
        **asdict(provenance),
        "day": provenance.day.isoformat(),
        "report": asdict(report),
        "goals": [{**asdict(goal), "met": goal.met} for goal in reached],
    }


def write_json(report: Report, provenance: Provenance, path: Path) -> None:
    """Write the report as JSON. Raises OSError."""
    path.write_text(json.dumps(report_document(report, provenance), indent=2) + "\n", encoding="utf-8")


def write_docs(report: Report, provenance: Provenance, path: Path) -> None:
    """Replace what stands between the markers of a docs page. Raises ValueError if they are not there."""
    page = path.read_text(encoding="utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no place for the tables: {BEGIN} ... {END}")
    tables = [to_markdown(table) for table in all_tables(report, provenance)]
    made = "\n".join([_heading(report, provenance), *tables])
    path.write_text(f"{before}{BEGIN}\n\n{made}\n{END}{after}", encoding="utf-8")


def _heading(report: Report, provenance: Provenance) -> str:
    return (
        f"Bundle `{provenance.bundle}` {provenance.version}, {provenance.day.isoformat()}, "
        f"{report.n_scored} clips with boxes and {report.n_cases - report.n_scored} more for the controls. "
        f"Fitted on: {provenance.fitted_on}. Made by `{provenance.command}`.\n"
    )


def manifest_metrics(report: Report, *, dataset: str) -> tuple[Metric, ...]:
    """The figures that a bundle carries in its manifest; all in percent but the ratio.

    The centre disc is among them: a bundle that does not beat it has nothing to say.
    """
    controls = report.controls
    metrics = [
        *_box_metrics("", report.row(OURS).everywhere, dataset=dataset),
        *_box_metrics("centre_disc_", report.row(CENTRE_DISC).everywhere, dataset=dataset),
        _metric("silence_area", controls.silence.area, dataset, "area marked, percent"),
        Metric(
            name="silence_worst_area",
            value=round(controls.silence.worst, 3),
            dataset=dataset,
            n=report.n_cases,
            note="largest area marked on any clip, percent",
        ),
    ]
    for colour, quiet in controls.noises.items():
        metrics.append(_metric(f"{colour}_noise_area", quiet.area, dataset, "area marked, percent"))
    if controls.other_kind is not None:
        swap = controls.other_kind
        metrics.append(
            _metric(
                "swapped_area_ratio", swap.ratio, dataset, "area under a sound of another kind / own area"
            )
        )
        metrics.append(
            _metric("presence_auc", swap.presence_auc, dataset, "own against another kind of sound")
        )
    return tuple(metrics)


def _box_metrics(prefix: str, figures: BoxFigures, *, dataset: str) -> list[Metric]:
    metrics = []
    if figures.pointing is not None:
        metrics.append(_metric(f"{prefix}pointing", figures.pointing, dataset, "percent"))
    for rule in Rule:
        note = f"success at 0.5, {RULE_NAMES[rule]}, percent"
        metrics.append(_metric(f"{prefix}ciou_{rule}", figures.success[rule], dataset, note))
    return metrics


def _metric(name: str, estimate: Estimate, dataset: str, note: str) -> Metric:
    value, low, high = (round(number, 3) for number in (estimate.value, estimate.low, estimate.high))
    return Metric(name=name, value=value, dataset=dataset, n=estimate.n, low=low, high=high, note=note)


def write_metrics(metrics: Iterable[Metric], path: Path) -> None:
    """Write the list that `earsight-train export` puts into the manifest. Raises OSError."""
    listed = [metric.model_dump(mode="json") for metric in metrics]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")
