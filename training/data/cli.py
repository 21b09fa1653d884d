"""`earsight-train data`: the project's own data, and what there is of the public data sets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from training.data.composites.cli import app as composites_app
from training.data.listing import contents_table, readers_table, sayings
from training.data.picture import moments_of, write_picture
from training.data.readers import DataError, find_reader
from training.data.sample import DEFAULT_PAIR, PAIRS, SAMPLE_NAME, write_sample
from training.data.stamps import StampError, stamps_root
from training.encoders.weights import cache_dir

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Look at data sets, and make the data that the project ships.",
)
app.add_typer(composites_app, name="composites")


_Stamps = Annotated[
    Path | None,
    typer.Option(help="Where the Debian package tuxpaint-stamps-default is unpacked; fetched if not given."),
]


@app.command()
def sample(
    out: Annotated[Path, typer.Option(help="Directory to write into.")] = Path("app/samples"),
    stamps: _Stamps = None,
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


@app.command()
def failures(
    out: Annotated[Path, typer.Option(help="Folder for the JPEGs.")] = Path("docs/images/failures"),
    stamps: _Stamps = None,
    clip: Annotated[Path, typer.Option("--sample", help="The sample clip.")] = Path("app/samples/sample.mp4"),
) -> None:
    """Make the pictures of the model cards: what the bundles get wrong, on the sample clip and on stills."""
    from app.errors import EarsightError
    from training.data.failures import write_failures

    try:
        pictures = write_failures(out, stamps=stamps_root(stamps, cache_dir()), sample=clip)
    except (StampError, EarsightError) as error:
        Console(stderr=True).print(f"[red]error:[/red] {escape(str(error))}", highlight=False)
        sys.exit(1)
    for path in pictures:
        typer.echo(f"{path}: {path.stat().st_size / 1000:.0f} kB")


@app.command()
def readers() -> None:
    """List the data sets that can be read, and where their files are expected."""
    Console().print(readers_table())


@app.command("list")
def list_contents(
    reader: Annotated[str, typer.Argument(help="A name that `data readers` lists.")],
    root: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder with the data set.")],
    missing: Annotated[
        Path | None, typer.Option("--missing", help="Write the names of all that is missing there.")
    ] = None,
) -> None:
    """Say what a folder holds of a data set, and what is missing."""
    console = Console()
    try:
        with console.status(f"looking through {escape(str(root))}"):
            reading = find_reader(reader).read(root)
        if missing is not None:
            missing.write_text("".join(f"{name}\n" for name in reading.missing), encoding="utf-8")
    except (DataError, OSError) as error:
        Console(stderr=True).print(f"[red]error:[/red] {escape(str(error))}", highlight=False)
        sys.exit(1)
    console.print(contents_table(reading))
    for line in sayings(reading):
        console.print(line, markup=False, highlight=False)
    if missing is not None:
        console.print(f"{len(reading.missing)} names in {missing}", markup=False, highlight=False)
