"""`earsight-train cache`: encode a data set once, to train on it many times."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.errors import EarsightError
from training.cache.index import OPTIONAL_FIELDS

if TYPE_CHECKING:  # PyTorch takes seconds to load, and `--help` need not wait for it
    from training.cache.encoding import ExampleEncoder, Recipe
    from training.cache.filling import Filled, Step
    from training.data.examples import Example, Split

COMPOSITES = "composites"
USUAL_SECONDS = 4.0  # of a composed scene
FAILED, INTERRUPTED = 1, 130
_NAMED = 20  # failures written out
_SHOWN = 24  # letters of an id beside the bar
_SPLITS = ("train", "val", "test")

app = typer.Typer(
    add_completion=False, help="Encode a data set once, into a cache that all methods are trained on."
)

ReaderName = Annotated[
    str,
    typer.Argument(
        metavar="READER",
        help=f"A reader of `earsight-train data readers`, or `{COMPOSITES}`: scenes that are composed.",
    ),
]
Root = Annotated[
    Path | None, typer.Argument(metavar="ROOT", help=f"Folder of the data set; none for {COMPOSITES}.")
]
OutDir = Annotated[
    str,
    typer.Option("--out", metavar="DIR", help="Directory of the cache, or a URL such as s3://bucket/cache."),
]
Fps = Annotated[float, typer.Option(min=0.01, max=60, help="Frames taken per second.")]
MaxFrames = Annotated[
    int, typer.Option(min=1, help="Most frames kept of an example: the judged ones, others spread evenly.")
]
Views = Annotated[
    int, typer.Option(min=0, max=16, help="Augmented views of each frame beside the plain one.")
]
Fields = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help="What to keep beside tokens, events and embedding: class_map, and raw (frames and sound,"
        " for --end-to-end), with a comma between them.",
    ),
]
BundleName = Annotated[str, typer.Option(metavar="NAME", help="Bundle whose encoders are used.")]
Jobs = Annotated[int, typer.Option(min=1, max=64, help="Examples decoded at a time.")]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="Take the first N examples only.")]
SplitName = Annotated[
    str | None,
    typer.Option(metavar="SPLIT", help=f"train, val or test; all by default, train for {COMPOSITES}."),
]
Number = Annotated[int, typer.Option("--n", min=1, help=f"Number of {COMPOSITES}.")]
Seed = Annotated[int, typer.Option(min=0, help=f"Seed of the {COMPOSITES}.")]
Seconds = Annotated[float, typer.Option(min=1, max=600, help=f"Length of each of the {COMPOSITES}.")]
Force = Annotated[bool, typer.Option("--force", help="Throw away the cache in DIR and start anew.")]


@app.command()
def cache(
    reader: ReaderName,
    out: OutDir,
    root: Root = None,
    fps: Fps = 2.0,
    max_frames: MaxFrames = 8,
    views: Views = 2,
    fields: Fields = "",
    bundle: BundleName = "default",
    jobs: Jobs = 2,
    limit: Limit = None,
    split: SplitName = None,
    n: Number = 1000,
    seed: Seed = 0,
    seconds: Seconds = USUAL_SECONDS,
    force: Force = False,
) -> None:
    """Encode the examples of a data set into DIR. The same command again goes on where it was stopped."""
    wanted = _fields(fields)
    if split is not None and split not in _SPLITS:
        raise typer.BadParameter(f"{split!r} is not among {', '.join(_SPLITS)}", param_hint="--split")
    if (root is None) != (reader == COMPOSITES):
        needs = "takes no folder" if root else "needs the folder of its data"
        raise typer.BadParameter(f"{reader} {needs}", param_hint="ROOT")
    with _explained():
        from training.cache.encoding import Recipe

        found = _composites(split, n, seed, seconds) if root is None else _read(reader, root, split)
        recipe = Recipe(fps, max_frames, views, class_map="class_map" in wanted, raw="raw" in wanted)
        filled = _fill(out, found, limit=limit, encoder=_encoder(bundle, recipe), jobs=jobs, force=force)
    _report(filled, out)


@dataclass(frozen=True, slots=True)
class _Found:
    """Examples and where they come from, as the key of the cache has it."""

    examples: Sequence[Example]
    source: dict[str, str]


def _read(name: str, root: Path, split: str | None) -> _Found:
    from training.data.readers import find_reader

    reading = find_reader(name).read(root)
    for remark in reading.remarks:
        typer.echo(f"note: {remark}")
    if reading.missing:
        typer.echo(
            f"note: {len(reading.missing)} listed items are not there, for example {reading.missing[0]}"
        )
    samples = [sample for sample in reading.samples if split in (None, sample.facts.split)]
    if not samples:
        raise ValueError(f"{root} has no example of the split {split}")
    return _Found(samples, {"reader": name, "root": str(root.resolve()), "split": split or "all"})


def _composites(split: str | None, n: int, seed: int, seconds: float) -> _Found:
    from training.data.composites import Options, composites

    part: Split = split or "train"  # type: ignore[assignment]
    # Scene k is the same whatever their number: more of them may be added later.
    source = {"reader": COMPOSITES, "split": part, "seed": str(seed)}
    if seconds != USUAL_SECONDS:
        source["seconds"] = f"{seconds:g}"
    return _Found(composites(part, n, seed=seed, options=Options(duration_s=seconds)), source)


def _encoder(name: str, recipe: Recipe) -> ExampleEncoder:
    from app.inference.bundle import find_bundle, load_bundle
    from app.settings import Settings
    from training.cache.encoding import ExampleEncoder

    settings = Settings().inference
    return ExampleEncoder(load_bundle(find_bundle(name, settings), settings), recipe)


def _fill(
    out: str, found: _Found, *, limit: int | None, encoder: ExampleEncoder, jobs: int, force: bool
) -> Filled:
    from training.cache.filling import fill_cache

    examples = found.examples if limit is None else found.examples[:limit]
    with _bar() as show:
        return fill_cache(
            out,
            examples,
            encoder=encoder,
            source=found.source,
            jobs=jobs,
            force=force,
            on_step=show,
        )


def _report(filled: Filled, out: str) -> None:
    n_in_all = filled.n_encoded + filled.n_there
    already = f", {filled.n_there} were there already" if filled.n_there else ""
    typer.echo(f"{out}: {filled.n_encoded} examples encoded{already}; {_size(out)}")
    if filled.failures:
        typer.echo(f"{len(filled.failures)} left out; a rerun tries them again:")
        for failure in filled.failures[:_NAMED]:
            typer.echo(f"  {failure.id}: {failure.reason}")
        if len(filled.failures) > _NAMED:
            counts = Counter(failure.reason.partition(":")[0] for failure in filled.failures)
            kinds = ", ".join(f"{count} x {kind}" for kind, count in counts.most_common(5))
            typer.echo(f"  and {len(filled.failures) - _NAMED} more, all named in {out}/index.json ({kinds})")
    if filled.interrupted:
        typer.echo("Stopped by Ctrl-C. What is encoded is kept: run the same command again to go on.")
        raise typer.Exit(INTERRUPTED)
    if not n_in_all:
        typer.echo(f"error: nothing could be encoded; {out} holds no example", err=True)
        raise typer.Exit(FAILED)


def _size(out: str) -> str:
    from training.cache.places import Place

    return f"{sum(Place(out).sizes().values()) / 1e6:.1f} MB in all"


def _fields(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in (*OPTIONAL_FIELDS, "tokens", "events", "embedding")]
    if unknown:
        raise typer.BadParameter(
            f"{', '.join(unknown)} is not among {', '.join(OPTIONAL_FIELDS)}", param_hint="--fields"
        )
    return names


@contextmanager
def _bar() -> Iterator[Callable[[Step], None]]:
    """Done and total, rate, time left and the current id on a terminal; nothing in a pipe."""
    console = Console(stderr=True)
    columns = (
        TextColumn("encoding"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[example]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None, rate="", example="")
        started_s = time.monotonic()

        def show(step: Step) -> None:
            rate = step.done / max(time.monotonic() - started_s, 1e-3)
            progress.update(
                task,
                total=step.total,
                completed=step.done,
                rate=f"{rate:.2f}/s",
                example=step.example_id[:_SHOWN],
                refresh=True,  # an example takes long enough for each to be seen
            )

        yield show


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what can be wrong with data, cache or disk into one line and exit code 1."""
    try:
        yield
    except (EarsightError, OSError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(FAILED) from error
