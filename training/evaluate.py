"""`earsight-train evaluate`: how good the maps are, with everything that must stand beside such a figure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.errors import EarsightError
from app.inference.bundle import find_bundle, load_bundle
from app.settings import Settings
from training.evaluation.clips import load_clip_features
from training.evaluation.outputs import Provenance, manifest_metrics, write_docs, write_json, write_metrics
from training.evaluation.probes import load_probes
from training.evaluation.report import Report
from training.evaluation.score import evaluate_localizer
from training.evaluation.tables import clip_table, report_tables, to_rich, trivial_table
from training.evaluation.trivial import trivial_figures

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs" / "benchmarks.md"
CONFIGS = ROOT / "training" / "configs"

app = typer.Typer(no_args_is_help=True, help="Measure a bundle, or the trivial predictors, against boxes.")
_console = Console()
_errors = Console(stderr=True)

DataOption = Annotated[
    Path,
    typer.Option(
        "--data",
        envvar="EARSIGHT_DATA",
        exists=True,
        file_okay=False,
        help="Folder with the data; see docs/benchmarks.md.",
    ),
]


@app.command()
def clips(
    data: DataOption,
    bundle: Annotated[str, typer.Option(help="Bundle to measure.")] = "default",
    json: Annotated[Path | None, typer.Option("--json", help="Write the whole report there.")] = None,
    write_docs_page: Annotated[
        bool, typer.Option("--write-docs", help="Put the tables into docs/benchmarks.md.")
    ] = False,
    write_manifest_metrics: Annotated[
        bool,
        typer.Option("--write-metrics", help="Write training/configs/<bundle>_metrics.json for the export."),
    ] = False,
    per_clip: Annotated[bool, typer.Option("--per-clip", help="Print a line for every clip.")] = False,
) -> None:
    """Measure a bundle on the clips that DATA/clips.csv lists (columns file, tier, sounds, boxes, time_s)."""
    with _explained():
        report, provenance = _measure(data, bundle)
        for table in report_tables(report):
            _console.print(to_rich(table))
        if per_clip:
            _console.print(to_rich(clip_table(report.clips)))
        if json is not None:
            write_json(report, provenance, json)
        if write_docs_page:
            write_docs(report, provenance, DOCS)
        if write_manifest_metrics:
            metrics = manifest_metrics(report, dataset="development clips")
            write_metrics(metrics, CONFIGS / f"{provenance.bundle}_metrics.json")


@app.command("annotations")
def published_boxes(data: DataOption) -> None:
    """Measure predictors without a model on the published boxes found in DATA or DATA/annotations."""
    folder = data / "annotations" if (data / "annotations").is_dir() else data
    with _explained():
        figures = list(trivial_figures(folder))
        if not figures:
            raise ValueError(f"none of the annotation files named in docs/benchmarks.md is in {folder}")
        _console.print(to_rich(trivial_table(figures)))


def _measure(data: Path, name: str) -> tuple[Report, Provenance]:
    settings = Settings().inference
    bundle = load_bundle(find_bundle(name, settings), settings)
    with _console.status("reading clips") as status:
        features = load_clip_features(data, bundle, on_clip=lambda file: status.update(f"encoding {file}"))
        status.update("encoding the controls")
        probes = load_probes(bundle, features)
        status.update("scoring")
        report = evaluate_localizer(bundle.localize, features, probes=probes)
    command = f"earsight-train evaluate clips --data DIR --bundle {name} --write-docs"
    return report, Provenance.of(bundle.manifest, day=datetime.now(tz=UTC).date(), command=command)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what can be wrong with the data into one line and exit code 1."""
    try:
        yield
    except (EarsightError, OSError, ValueError) as error:
        _errors.print(f"[bold red]error[/] {error}", highlight=False)
        raise typer.Exit(1) from error
