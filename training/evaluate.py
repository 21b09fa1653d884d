"""`earsight-train evaluate`: how good the maps are, with everything that must stand beside such a figure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from app.errors import EarsightError
from app.settings import Settings
from training.data.examples import Split
from training.evaluation.benchmarks import CLIPS, benchmarks, list_examples, needs_folder
from training.evaluation.cases import Encoded
from training.evaluation.gather import gather
from training.evaluation.models import open_model
from training.evaluation.outputs import (
    Provenance,
    all_tables,
    manifest_metrics,
    write_docs,
    write_json,
    write_metrics,
)
from training.evaluation.probes import load_probes
from training.evaluation.progress import bars
from training.evaluation.report import Report
from training.evaluation.report_tables import case_table
from training.evaluation.score import Evaluation, evaluate_localizer
from training.evaluation.sheet import write_sheet
from training.evaluation.tables import print_tables
from training.evaluation.trivial import trivial_benchmarks, trivial_figures, trivial_table

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs" / "benchmarks.md"
CONFIGS = ROOT / "training" / "configs"

_INTERRUPTED = 130  # exit code, as of a shell
_NAMED = 10  # examples that were left out, written out

_BENCHMARKS = benchmarks()
_HELP = "\n\n".join(
    [
        "Measure a localiser on a benchmark: against boxes or masks, with controls, beside what predictors "
        "without a model reach.",
        "\b\nBenchmarks:\n" + "\n".join(f"  {name:<22} {title}" for name, title in _BENCHMARKS.items()),
        "`earsight-train data readers` says which files are expected where. Encoded pictures go to the "
        "folder for temporary files (TMPDIR), 1.3 MB an example with the default bundle, and leave nothing.",
    ]
)


def _known(name: str) -> str:
    if name not in _BENCHMARKS:
        raise typer.BadParameter(f"there is no benchmark {name!r}; there are {', '.join(_BENCHMARKS)}")
    return name


def _writable(path: Path | None) -> Path | None:
    """Said at once, not after an hour of work."""
    if path is not None and not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {path.parent}")
    return path


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the command line asks for."""

    benchmark: str
    root: Path | None
    split: Split
    limit: int | None
    bundle: str
    checkpoint: Path | None

    @property
    def representative(self) -> bool:
        """Whether the figures are those that a bundle is described by."""
        whole = self.limit is None and self.split == "test"
        return self.benchmark == CLIPS and whole and self.checkpoint is None

    @property
    def command(self) -> str:
        """The same without paths."""
        folder = " DIR" if needs_folder(self.benchmark) else ""
        measured = f"--bundle {self.bundle}"
        if self.checkpoint is not None:
            measured += f" --checkpoint {self.checkpoint.name}"
        split = "" if self.split == "test" else f" --split {self.split}"
        limit = "" if self.limit is None else f" --limit {self.limit}"
        return f"earsight-train evaluate {self.benchmark}{folder} {measured}{split}{limit}"


_Benchmark = Annotated[str, typer.Argument(metavar="BENCHMARK", callback=_known, help="One of those above.")]
_Root = Annotated[
    Path | None,
    typer.Argument(
        metavar="ROOT", envvar="EARSIGHT_DATA", help="Folder of its data; composed scenes need none."
    ),
]
_Bundle = Annotated[str, typer.Option(help="Bundle to measure, or whose encoders a checkpoint needs.")]
_Checkpoint = Annotated[Path | None, typer.Option(help="Checkpoint of a trained method to measure instead.")]
_SplitOption = Annotated[Split, typer.Option(help="Part of the data.")]
_Limit = Annotated[
    int | None, typer.Option(min=1, help="Most examples, drawn by a fixed seed; scenes to compose.")
]
_Json = Annotated[
    Path | None, typer.Option("--json", callback=_writable, help="Write the whole report there.")
]
_Sheet = Annotated[
    Path | None,
    typer.Option(
        callback=_writable, help="Write a JPEG of the best, the middling and the worst cases there."
    ),
]
_PerClip = Annotated[bool, typer.Option("--per-clip", help="Print a line for every example.")]
_WriteDocs = Annotated[
    bool, typer.Option("--write-docs", help="clips only: put the tables into docs/benchmarks.md.")
]
_WriteMetrics = Annotated[
    bool,
    typer.Option(
        "--write-metrics", help="clips only: write training/configs/<bundle>_metrics.json for the export."
    ),
]
_Trivial = Annotated[
    bool, typer.Option("--trivial", help="Predictors without a model alone, from --annotations.")
]
_Annotations = Annotated[
    Path | None, typer.Option(help=f"Annotation file for --trivial ({', '.join(trivial_benchmarks())}).")
]


@app.command(help=_HELP)
def evaluate(
    benchmark: _Benchmark,
    root: _Root = None,
    bundle: _Bundle = "default",
    checkpoint: _Checkpoint = None,
    split: _SplitOption = "test",
    limit: _Limit = None,
    json: _Json = None,
    sheet: _Sheet = None,
    per_clip: _PerClip = False,
    write_docs_page: _WriteDocs = False,
    write_manifest_metrics: _WriteMetrics = False,
    trivial: _Trivial = False,
    annotations: _Annotations = None,
) -> None:
    if trivial or annotations is not None:
        _print_trivial(benchmark, annotations, alone=trivial)
        return
    wanted = _Wanted(benchmark, root, split, limit, bundle, checkpoint)
    if (write_docs_page or write_manifest_metrics) and not wanted.representative:
        raise typer.BadParameter("--write-docs and --write-metrics go with a bundle on all of clips")
    with _explained():
        evaluation, encoded, provenance = _measure(wanted)
        report = evaluation.report
        print_tables([*all_tables(report, provenance), *([case_table(report.cases)] if per_clip else [])])
        _say_what_is_missing(report, provenance)
        if json is not None:
            write_json(report, provenance, json)
        if sheet is not None:
            write_sheet(report, encoded, evaluation.heatmaps, sheet, overlay=Settings().overlay)
        if write_docs_page:
            write_docs(report, provenance, DOCS)
        if write_manifest_metrics:
            metrics = manifest_metrics(report, dataset="development clips")
            write_metrics(metrics, CONFIGS / f"{provenance.bundle}_metrics.json")


def _measure(wanted: _Wanted) -> tuple[Evaluation, Encoded, Provenance]:
    listing = list_examples(wanted.benchmark, wanted.root, split=wanted.split, limit=wanted.limit)
    model = open_model(wanted.bundle, Settings().inference, checkpoint=wanted.checkpoint)
    with bars() as watch:
        encoded = gather(listing.examples, model.bundle, fps=listing.fps, watch=watch)
        evaluation = evaluate_localizer(
            model.localize, encoded, probes=load_probes(model.bundle), watch=watch
        )
    provenance = Provenance.of(
        model,
        benchmark=wanted.benchmark,
        split=wanted.split,
        day=datetime.now(tz=UTC).date(),
        command=wanted.command,
        remarks=listing.remarks,
    )
    return evaluation, encoded, provenance


def _print_trivial(benchmark: str, annotations: Path | None, *, alone: bool) -> None:
    if annotations is None or not alone:
        raise typer.BadParameter("--trivial and --annotations FILE go together")
    with _explained():
        print_tables([trivial_table(trivial_figures(benchmark, annotations))])


def _say_what_is_missing(report: Report, provenance: Provenance) -> None:
    """What a reader of the figures must know of the data."""
    for remark in provenance.remarks:
        typer.echo(f"note: {remark}")
    if not report.left_out:
        return
    total = report.n_cases + len(report.left_out)
    typer.echo(f"note: {len(report.left_out)} of {total} examples could not be used:")
    for one in report.left_out[:_NAMED]:
        typer.echo(f"  {one.id}: {one.reason}")
    if len(report.left_out) > _NAMED:
        typer.echo(f"  and {len(report.left_out) - _NAMED} more; --json FILE lists all")


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what can be wrong with the data into one line and exit code 1, and Ctrl-C into another."""
    try:
        yield
    except KeyboardInterrupt as error:
        typer.echo("stopped before the end; nothing is left in the folder for temporary files", err=True)
        raise typer.Exit(_INTERRUPTED) from error
    except (EarsightError, OSError, ValueError) as error:
        Console(stderr=True).print(
            f"[bold red]error[/] {escape(str(error))}", highlight=False, soft_wrap=True
        )
        raise typer.Exit(1) from error
