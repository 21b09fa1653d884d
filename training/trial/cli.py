"""`earsight-train trial`: a method, its controls and what it must beat, in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from training.loop.options import CacheDirs, ConfigFile, Epochs
from training.methods.command import INTERRUPTED, Settings, explained, read_settings

_WIDTH = 150  # columns where nobody says how wide the page is

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

MethodName = Annotated[str, typer.Argument(metavar="METHOD", help="cmc or sspl.")]
TestDirs = Annotated[
    list[Path],
    typer.Option(
        "--test",
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="Cache to measure on, of what no training has seen, made with --fields class_map.",
    ),
]
OutDir = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Gets a run a seed and control, and trial.json.")
]
Seeds = Annotated[int, typer.Option(min=1, help="How many seeds, counted from 0.")]
BundleName = Annotated[
    str, typer.Option("--bundle", metavar="NAME", help="Bundle whose localiser is compared.")
]


@app.command()
def trial(
    method: MethodName,
    caches: CacheDirs,
    tests: TestDirs,
    out: OutDir,
    seeds: Seeds = 3,
    config: ConfigFile = None,
    settings: Settings = None,
    epochs: Epochs = None,
    bundle: BundleName = "default",
) -> None:
    """Train METHOD and the same with shuffled audio, with each seed, and compare the two, an untrained one, a
    bundle's localiser and predictors without sound on unseen examples. The same command goes on where it was
    stopped."""
    try:
        with explained():
            _run(method, caches, tests, out, seeds, config, settings, epochs, bundle)
    except KeyboardInterrupt:
        typer.echo("Stopped. What is trained is kept: run the same command again to go on.")
        raise typer.Exit(INTERRUPTED) from None


def _run(
    method: str,
    caches: list[Path],
    tests: list[Path],
    out: Path,
    seeds: int,
    config: Path | None,
    settings: list[str] | None,
    epochs: int | None,
    bundle: str,
) -> None:
    from app.inference.bundle import find_bundle, load_bundle
    from app.settings import Settings as AppSettings
    from training.cache.reading import open_cache
    from training.evaluation.tables import to_markdown, to_rich
    from training.loop.config import plain_config
    from training.loop.fitting import RunOptions
    from training.methods.running import Request
    from training.trial.arms import fixed_arms, learned_arms, trained_checkpoint, untrained
    from training.trial.gallery import gallery_of
    from training.trial.report import report_on, tables, write_json

    kind = _kind(method)
    chosen = read_settings(kind.config, config, settings, epochs=epochs)
    inference = AppSettings().inference
    compared = load_bundle(find_bundle(bundle, inference), inference)
    open_cache(*caches, *tests)  # refuses caches of different encoders, before an hour is spent
    opened = [open_cache(directory) for directory in tests]
    galleries = [gallery_of(cache, path.name) for cache, path in zip(opened, tests, strict=True)]

    def request(seed: int, name: str, *, shuffled: bool = False) -> Request:
        run = RunOptions(out / f"seed{seed}-{name}", chosen.epochs, seed=seed, devices=1)
        return Request(kind.method, chosen, tuple(caches), run, shuffled_audio=shuffled)

    numbers = range(seeds)
    trained = [trained_checkpoint(request(seed, "trained"), say=typer.echo) for seed in numbers]
    shuffled = [
        trained_checkpoint(request(seed, "shuffled", shuffled=True), say=typer.echo) for seed in numbers
    ]
    naive = [untrained(request(seed, "untrained")) for seed in numbers]
    reports = [
        report_on(gallery, learned_arms(gallery, trained, shuffled, naive) + fixed_arms(gallery, compared))
        for gallery in galleries
    ]
    console = Console() if Console().is_terminal else Console(width=_WIDTH)
    drawn = [table for report in reports for table in tables(report)]
    for table in drawn:
        console.print(to_rich(table))
    about: dict[str, Any] = {"method": method, "config": plain_config(chosen), "seeds": seeds}
    write_json(out / "trial.json", reports, about)
    (out / "trial.md").write_text("\n".join(map(to_markdown, drawn)), encoding="utf-8")
    typer.echo(f"All figures: {out / 'trial.json'}; tables: {out / 'trial.md'}")


def _kind(method: str) -> Any:
    from training.methods.cmc.cli import load as load_cmc
    from training.methods.sspl.cli import load as load_sspl

    known = {"cmc": load_cmc, "sspl": load_sspl}
    if method not in known:
        raise ValueError(f"there is no method {method!r}; there are {', '.join(known)}")
    return known[method]()
