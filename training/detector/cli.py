"""`earsight-train add-detector` and `earsight-train keep-detector`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.bundles.options import (
    BundleVersion,
    Licence,
    NewBundle,
    SourceName,
    TrainingSources,
    describe,
)
from training.methods.command import explained

adding = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
keeping = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

CheckpointFile = Annotated[
    Path, typer.Argument(metavar="CKPT", exists=True, dir_okay=False, help="Of `earsight-train avdet`.")
]


@adding.command()
def add(
    checkpoint: CheckpointFile,
    out: NewBundle,
    bundle: SourceName = "default",
    bundle_version: BundleVersion = "0.1.0",
    licence: Licence = "not stated",
    training_data: TrainingSources = None,
) -> None:
    """Make a bundle that detects, from one that does not or that has another detector."""
    with explained():
        from app.inference.bundle import find_bundle
        from app.settings import Settings
        from training.detector.adding import add_detector

        description = describe(out, bundle_version, licence, training_data)
        source = find_bundle(bundle, Settings().inference)
        written = add_detector(source, checkpoint, out, description=description)
    assert written.detector is not None
    typer.echo(f"Bundle {written.name} {written.version} in {out}: {len(written.detector.labels)} classes")


@keeping.command()
def keep(checkpoint: CheckpointFile) -> None:
    """Make a detector that of the default bundle; `earsight-train export` then builds it."""
    with explained():
        from training.detector.shipped import ABOUT, WEIGHTS, keep
        from training.methods.avdet.loading import load_detector

        keep(load_detector(checkpoint))
    typer.echo(f"{WEIGHTS}\n{ABOUT}")
