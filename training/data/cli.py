"""`earsight-train data`: the project's own data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from training.data.picture import moments_of, write_picture
from training.data.sample import DEFAULT_PAIR, PAIRS, SAMPLE_NAME, write_sample
from training.data.stamps import StampError, stamps_root
from training.encoders.weights import cache_dir

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Make the data that the project ships.")


@app.command()
def sample(
    out: Annotated[Path, typer.Option(help="Directory to write into.")] = Path("app/samples"),
    stamps: Annotated[
        Path | None,
        typer.Option(
            help="Where the Debian package tuxpaint-stamps-default is unpacked; fetched if not given."
        ),
    ] = None,
    pair: Annotated[str, typer.Option(help=f"Which two objects: {', '.join(PAIRS)}.")] = DEFAULT_PAIR,
) -> None:
    """Compose the sample clip: two objects that take turns to sound, then silence."""
    if pair not in PAIRS:
        raise typer.BadParameter(f"no pair {pair!r}; there are {', '.join(PAIRS)}", param_hint="--pair")
    console = Console()
    try:
        turns = write_sample(out, stamps=stamps_root(stamps, cache_dir()), pair=pair)
    except StampError as error:
        Console(stderr=True).print(f"[red]error:[/red] {error}")
        sys.exit(1)
    size_kib = (out / SAMPLE_NAME).stat().st_size / 1024
    console.print(f"{out / SAMPLE_NAME}: {size_kib:.0f} KiB")
    for turn in turns:
        console.print(f"  {turn.from_s:.1f} to {turn.to_s:.1f} s: {turn.subject.name} in {turn.box}")


@app.command()
def picture(
    overlay: Annotated[Path, typer.Option(help="The overlay of the sample clip.")],
    out: Annotated[Path, typer.Option(help="JPEG to write.")] = Path("docs/images/sample.jpg"),
    truth: Annotated[Path, typer.Option(help="The sample clip's description.")] = Path(
        "app/samples/sample.json"
    ),
) -> None:
    """Make the README's picture: the overlay during each sound and in the silence."""
    write_picture(overlay, out, moments_s=moments_of(truth))
    Console().print(f"{out}")
