"""Options of the commands that make a bundle from a bundle. PyTorch is not needed for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from training.trained import Description

NewBundle = Annotated[Path, typer.Option("--out", metavar="DIR", help="The new bundle, called like it.")]
SourceName = Annotated[str, typer.Option("--bundle", metavar="NAME", help="Bundle that it is made from.")]
BundleVersion = Annotated[str, typer.Option(help="Version of the new bundle.")]
Licence = Annotated[str, typer.Option(help="Of the trained weights.")]
TrainingSources = Annotated[
    list[str] | None,
    typer.Option("--training-data", help="A source of the data it was trained on, and the licence."),
]


def describe(out: Path, version: str, licence: str, training_data: list[str] | None) -> Description:
    """A bundle as these options describe it."""
    from training.trained import Description

    return Description(out.resolve().name, version, licence, tuple(training_data or ("not stated",)))
