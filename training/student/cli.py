"""`earsight-train add-student`."""

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

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

CheckpointFile = Annotated[
    Path, typer.Argument(metavar="CKPT", exists=True, dir_okay=False, help="Of `earsight-train simkd`.")
]
Side = Annotated[
    int | None,
    typer.Option(
        min=64, help="Side of the frames in pixels; larger ones give finer maps. As in training by default."
    ),
]


@app.command()
def add_student(
    checkpoint: CheckpointFile,
    out: NewBundle,
    bundle: SourceName = "default",
    bundle_version: BundleVersion = "0.1.0",
    licence: Licence = "not stated",
    training_data: TrainingSources = None,
    side: Side = None,
) -> None:
    """Make a faster bundle: the student sees, and all else is shared with the bundle of its teacher."""
    with explained():
        from app.inference.bundle import find_bundle
        from app.settings import Settings
        from training.student.adding import add_student as add

        description = describe(out, bundle_version, licence, training_data)
        source = find_bundle(bundle, Settings().inference)
        written = add(source, checkpoint, out, description=description, side=side)
    own = written.file("visual")
    shared = sum(entry.size_bytes for entry in written.files) - own.size_bytes
    typer.echo(
        f"Bundle {written.name} {written.version} in {out}: {own.size_bytes / 1e6:.1f} MB of its own,"
        f" {shared / 1e6:.1f} MB shared with {bundle}"
    )
