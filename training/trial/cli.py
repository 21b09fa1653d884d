"""`earsight-train trial`: a method, its controls and what it must beat, in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.loop.options import CacheDirs, ConfigFile, Epochs
from training.methods.command import Seeds, Settings, explained, read_settings
from training.methods.localisers import find_kind

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
    Path, typer.Option("--out", metavar="DIR", help="Gets a run a seed and control, trial.json and trial.md.")
]
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
    with explained():
        from app.inference.bundle import find_bundle, load_bundle
        from app.settings import Settings as AppSettings
        from training.cache.reading import open_cache
        from training.evaluation.tables import print_tables, to_markdown
        from training.loop.config import plain_config
        from training.loop.fitting import RunOptions
        from training.methods.running import Request
        from training.trial.arms import fixed_arms, learned_arms, trained_checkpoint, untrained
        from training.trial.gallery import gallery_of
        from training.trial.report import report_on, tables, write_json

        kind = find_kind(method)
        chosen = read_settings(kind.config, config, settings, epochs=epochs)
        inference = AppSettings().inference
        compared = load_bundle(find_bundle(bundle, inference), inference)
        open_cache(*caches, *tests)  # refuses caches of different encoders, before an hour is spent
        galleries = [gallery_of(open_cache(directory), directory.name) for directory in tests]

        def request(seed: int, name: str) -> Request:
            run = RunOptions(out / f"seed{seed}-{name}", chosen.epochs, seed=seed, devices=1)
            return Request(kind.method, chosen, tuple(caches), run, shuffled_audio=name == "shuffled")

        trained, shuffled = (
            [trained_checkpoint(request(seed, name), say=typer.echo) for seed in range(seeds)]
            for name in ("trained", "shuffled")
        )
        naive = [untrained(request(seed, "untrained")) for seed in range(seeds)]
        reports = [
            report_on(
                gallery, learned_arms(gallery, trained, shuffled, naive) + fixed_arms(gallery, compared)
            )
            for gallery in galleries
        ]
        drawn = [table for report in reports for table in tables(report)]
        print_tables(drawn)
        about = {"method": method, "config": plain_config(chosen), "seeds": seeds}
        write_json(out / "trial.json", reports, about)
        (out / "trial.md").write_text("\n".join(map(to_markdown, drawn)), encoding="utf-8")
        typer.echo(f"All figures: {out / 'trial.json'}; tables: {out / 'trial.md'}")
