"""`earsight-train avdet-trial`: AVDet, its controls and what it must beat, in one command."""

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
    Path, typer.Option("--out", metavar="DIR", help="Gets a run a seed and control, trial.json and trial.md.")
]


@app.command()
def trial(
    caches: CacheDirs,
    tests: TestDirs,
    out: OutDir,
    seeds: Seeds = 3,
    bundle: BundleName = "default",
    localiser: CheckpointFile = None,
    config: ConfigFile = None,
    settings: Settings = None,
    epochs: Epochs = None,
) -> None:
    """Train AVDet, the same with shuffled audio and with shuffled labels, with each seed, and compare them
    with boxes that nothing was trained for. The same command goes on where it was stopped."""
    with explained():
        from app.settings import Settings as AppSettings
        from training.cache.reading import open_cache
        from training.evaluation.models import open_model
        from training.evaluation.tables import print_tables, to_markdown
        from training.loop.config import plain_config
        from training.loop.fitting import RunOptions
        from training.methods.avdet.config import AvdetConfig
        from training.methods.avdet.loading import load_detector
        from training.methods.avdet.running import Request
        from training.trial.boxed import boxed_gallery
        from training.trial.boxed_arms import (
            SHUFFLED_LABELS,
            TRAINED,
            fixed_arms,
            learned_arms,
            trained_detector,
        )
        from training.trial.boxed_report import report_on, tables, write_json

        chosen = read_settings(AvdetConfig, config, settings, epochs=epochs)
        model = open_model(bundle, AppSettings().inference, checkpoint=localiser)
        whole = open_cache(*caches)
        open_cache(*caches, *tests)  # refuses caches of different encoders, before an hour is spent
        val = boxed_gallery(whole.split("val"), "validation", model.localize)
        galleries = [boxed_gallery(open_cache(path), path.name, model.localize) for path in tests]

        def request(seed: int, name: str) -> Request:
            run = RunOptions(out / f"seed{seed}-{name}", chosen.epochs, seed=seed, devices=1)
            return Request(
                chosen,
                tuple(caches),
                model.localize,
                run,
                shuffled_audio=name == "audio",
                shuffled_labels=name == "labels",
            )

        trained, audio, labels = (
            [load_detector(trained_detector(request(seed, name), say=typer.echo)) for seed in range(seeds)]
            for name in ("trained", "audio", "labels")
        )
        known = [
            arm for arm in learned_arms(val, trained, audio, labels) if arm.name in (TRAINED, SHUFFLED_LABELS)
        ]
        reports = [
            report_on(
                gallery,
                learned_arms(gallery, trained, audio, labels) + fixed_arms(gallery),
                val=val,
                known=known,
            )
            for gallery in galleries
        ]
        drawn = [table for report in reports for table in tables(report)]
        print_tables(drawn)
        write_json(out / "trial.json", reports, {"config": plain_config(chosen), "seeds": seeds})
        (out / "trial.md").write_text("\n".join(map(to_markdown, drawn)), encoding="utf-8")
        typer.echo(f"All figures: {out / 'trial.json'}; tables: {out / 'trial.md'}")
