"""`earsight-train stan-trial`: STAN, what it must beat, and how faithful its explanations are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.loop.options import CacheDirs, ConfigFile, Epochs
from training.methods.avdet.cli import BundleName, CheckpointFile
from training.methods.command import Seeds, Settings, explained, read_settings
from training.trial.cli import TestDirs

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

OutDir = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Gets a run a seed, trial.json and trial.md.")
]
FaithfulClips = Annotated[
    int, typer.Option("--faithful", min=1, help="Clips of each test whose explanations are put to the test.")
]


@app.command()
def trial(
    caches: CacheDirs,
    tests: TestDirs,
    out: OutDir,
    seeds: Seeds = 3,
    faithful_clips: FaithfulClips = 100,
    bundle: BundleName = "default",
    localiser: CheckpointFile = None,
    config: ConfigFile = None,
    settings: Settings = None,
    epochs: Epochs = None,
) -> None:
    """Train STAN with each seed, and measure what it recognises, where and when, and whether hiding what it
    says it used changes what it says. The same command goes on where it was stopped."""
    with explained():
        from app.settings import Settings as AppSettings
        from training.cache.reading import open_cache
        from training.evaluation.models import open_model
        from training.evaluation.tables import print_tables, to_markdown
        from training.loop.config import plain_config
        from training.loop.fitting import Fitted, RunOptions
        from training.methods.stan.config import StanConfig
        from training.methods.stan.loading import load_explainer
        from training.methods.stan.running import Request, train
        from training.trial.explained_report import report_on, tables, write_json
        from training.trial.runs import best_checkpoint

        chosen = read_settings(StanConfig, config, settings, epochs=epochs)
        model = open_model(bundle, AppSettings().inference, checkpoint=localiser)
        open_cache(*caches, *tests)  # refuses caches of different encoders, before an hour is spent

        def run(options: RunOptions) -> Fitted:
            return train(Request(chosen, tuple(caches), model.bundle, model.localize, options))

        trained = [
            load_explainer(
                best_checkpoint(
                    RunOptions(out / f"seed{seed}", chosen.epochs, seed=seed, devices=1), run, say=typer.echo
                )
            )
            for seed in range(seeds)
        ]
        reports = [
            report_on(
                open_cache(path),
                path.name,
                trained,
                model.localize,
                faithful_clips=faithful_clips,
                say=typer.echo,
            )
            for path in tests
        ]
        drawn = [table for report in reports for table in tables(report)]
        print_tables(drawn)
        write_json(out / "trial.json", reports, {"config": plain_config(chosen), "seeds": seeds})
        (out / "trial.md").write_text("\n".join(map(to_markdown, drawn)), encoding="utf-8")
        typer.echo(f"All figures: {out / 'trial.json'}; tables: {out / 'trial.md'}")
