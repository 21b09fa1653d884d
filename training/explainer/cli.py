"""`earsight-train add-explainer` and `earsight-train keep-explainer`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:  # PyTorch takes seconds to load, and `--help` need not wait for it
    from training.explainer.references import References

adding = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
keeping = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

CheckpointFile = Annotated[
    Path, typer.Argument(metavar="CKPT", exists=True, dir_okay=False, help="Of `earsight-train stan`.")
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
    """Make a bundle that explains, from one that does not or that has another explainer."""
    with explained():
        from app.inference.bundle import find_bundle
        from app.settings import Settings
        from training.explainer.adding import add_explainer

        description = describe(out, bundle_version, licence, training_data)
        source = find_bundle(bundle, Settings().inference)
        written = add_explainer(
            source, checkpoint, out, description=description, references=_references(source)
        )
    assert written.explainer is not None
    names = ", ".join(written.explainer.references)
    typer.echo(f"Bundle {written.name} {written.version} in {out}: explains; other sounds are {names}")


@keeping.command()
def keep(
    checkpoint: CheckpointFile,
    bundle: Annotated[str, typer.Option(metavar="NAME", help="Bundle with the same encoders.")] = "default",
) -> None:
    """Make an explainer that of the default bundle; `earsight-train export` then builds it."""
    with explained():
        from app.inference.bundle import find_bundle
        from app.settings import Settings
        from training.explainer.shipped import ABOUT, WEIGHTS, keep
        from training.methods.stan.loading import load_explainer

        explainer = load_explainer(checkpoint)
        keep(explainer, _references(find_bundle(bundle, Settings().inference)))
    typer.echo(f"{WEIGHTS}\n{ABOUT}")


def _references(directory: Path) -> References:
    """The sounds that can take the place of a clip's own, as a bundle hears them."""
    from app.inference.bundle import load_bundle
    from app.settings import Settings
    from training.explainer.references import encode_references, reference_sounds

    return encode_references(load_bundle(directory, Settings().inference), reference_sounds())
