"""`earsight-train data composites`: what scenes are made of, and scenes to look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.data.composites.cast import Options
from training.data.composites.collection import Sources, load_collection
from training.data.composites.composing import Scenes, composites, interactive
from training.data.composites.scene import Scene
from training.data.composites.sheet import write_sheet
from training.data.composites.table import split_table
from training.data.composites.writing import write_scene
from training.data.examples import Split

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Scenes composed of cut-out objects and their sounds, with exact truth.",
)


class SplitName(StrEnum):
    """The three splits."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


_Stamps = Annotated[
    Path | None,
    typer.Option(help="Where the Debian package tuxpaint-stamps-default is unpacked; fetched if not given."),
]
_Package = Annotated[
    bool, typer.Option("--package/--no-package", help="Take the objects of tuxpaint-stamps-default, too.")
]
_Cutouts = Annotated[Path | None, typer.Option(help="Folder of your cut-outs: KIND/*.png.")]
_Sounds = Annotated[
    Path | None, typer.Option(help="Folder of your sounds: KIND/* as wav, ogg, opus, mp3 or flac.")
]
_Backgrounds = Annotated[Path | None, typer.Option(help="Folder of photographs to put objects before.")]
_SplitOption = Annotated[SplitName, typer.Option("--split", help="Which part of the collection to use.")]
_Number = Annotated[int, typer.Option("--n", min=1, help="How many scenes.")]
_Seed = Annotated[int, typer.Option(min=0, help="Other seeds give other scenes.")]
_Interactive = Annotated[
    bool, typer.Option("--interactive", help="Pairs that show one picture with another object sounding.")
]


@app.command("list")
def list_kinds(
    stamps: _Stamps = None, package: _Package = True, cutouts: _Cutouts = None, sounds: _Sounds = None
) -> None:
    """Show the kinds of objects, what they sound like, and how they are split."""
    with _explained():
        collection = load_collection(Sources(package=package, stamps=stamps, cutouts=cutouts, sounds=sounds))
        Console().print(split_table(collection))


@app.command()
def write(
    out: Annotated[Path, typer.Argument(file_okay=False, help="Folder to write into.")],
    split: _SplitOption = SplitName.TRAIN,
    n: _Number = 20,
    seed: _Seed = 0,
    pairs: _Interactive = False,
    size: Annotated[int, typer.Option(min=32, max=2160, help="Height of the clips in pixels.")] = 360,
    fps: Annotated[float, typer.Option(min=0.5, max=60, help="Frames per second.")] = 10.0,
    stamps: _Stamps = None,
    package: _Package = True,
    cutouts: _Cutouts = None,
    sounds: _Sounds = None,
    backgrounds: _Backgrounds = None,
) -> None:
    """Write scenes as clips with sound, with their truth as JSON and masks."""
    if size % 2:
        raise typer.BadParameter("the height of a clip must be even", param_hint="--size")
    sources = Sources(package, stamps, cutouts, sounds, backgrounds)
    with _explained():
        scenes = _scenes(split, n, seed, pairs=pairs, sources=sources)
        for scene in _watched(scenes, "writing"):
            write_scene(scene, out, size=size, fps=fps)
    typer.echo(f"{out}: {len(scenes)} scenes")


@app.command()
def sheet(
    out: Annotated[Path, typer.Argument(dir_okay=False, help="Picture to write, for example scenes.jpg.")],
    split: _SplitOption = SplitName.TRAIN,
    n: _Number = 36,
    seed: _Seed = 0,
    pairs: _Interactive = False,
    stamps: _Stamps = None,
    package: _Package = True,
    cutouts: _Cutouts = None,
    sounds: _Sounds = None,
    backgrounds: _Backgrounds = None,
) -> None:
    """Write one picture with a frame of each scene, what sounds outlined."""
    sources = Sources(package, stamps, cutouts, sounds, backgrounds)
    with _explained():
        scenes = _scenes(split, n, seed, pairs=pairs, sources=sources)
        write_sheet(_watched(scenes, "drawing"), out, n=len(scenes))
    typer.echo(f"{out}: {len(scenes)} scenes")


def _scenes(split: SplitName, n: int, seed: int, *, pairs: bool, sources: Sources) -> Scenes:
    part: Split = split.value
    compose = interactive if pairs else composites
    return compose(part, n, seed=seed, options=Options(sources=sources))


def _watched(scenes: Scenes, stage: str) -> Iterator[Scene]:
    """The scenes, with a bar on a terminal and nothing in a pipe."""
    console = Console(stderr=True)
    columns = (TextColumn(stage), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(scenes)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what can be wrong with files and tools into one line and exit code 1."""
    try:
        yield
    except (OSError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
