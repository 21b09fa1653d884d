"""`earsight-train simkd-trial`: SimKD and what it is compared with, trained with the same budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from training.loop.options import CacheDirs, ConfigFile, Epochs
from training.methods.command import Seeds, Settings, explained, read_settings
from training.trial.cli import BundleName, OutDir, TestDirs

if TYPE_CHECKING:
    from pathlib import Path

    from training.methods.simkd.config import Objective

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def trial(
    caches: CacheDirs,
    tests: TestDirs,
    out: OutDir,
    seeds: Seeds = 1,
    config: ConfigFile = None,
    settings: Settings = None,
    epochs: Epochs = None,
    bundle: BundleName = "default",
) -> None:
    """Train students by SimKD, by logit distillation and without a teacher, with each seed and the same
    frames and epochs, and compare them with their teacher on unseen examples. All caches hold frames and
    class maps (`--fields class_map,raw`). The same command goes on where it was stopped."""
    with explained():
        from dataclasses import replace
        from typing import get_args

        from app.inference.bundle import find_bundle, load_bundle
        from app.settings import Settings as AppSettings
        from training.cache.reading import open_cache
        from training.evaluation.tables import print_tables, to_markdown
        from training.loop.config import plain_config
        from training.loop.fitting import RunOptions
        from training.methods.simkd.config import Objective, SimkdConfig
        from training.methods.simkd.running import Request
        from training.trial.distilled import compare, need_pictures, trained_student
        from training.trial.gallery import gallery_of
        from training.trial.report import tables, write_json

        chosen = read_settings(SimkdConfig, config, settings, epochs=epochs)
        inference = AppSettings().inference
        teacher = load_bundle(find_bundle(bundle, inference), inference)
        open_cache(*caches, *tests)  # refuses caches of different encoders, before an hour is spent
        unseen = [open_cache(path) for path in tests]
        for path, cache in zip(tests, unseen, strict=True):
            need_pictures(cache, path.name)
        galleries = [gallery_of(cache, path.name) for path, cache in zip(tests, unseen, strict=True)]

        def student(objective: Objective, seed: int) -> Path:
            run = RunOptions(out / f"seed{seed}-{objective}", chosen.epochs, seed=seed, devices=1)
            return trained_student(
                Request(replace(chosen, objective=objective), tuple(caches), run, heard_only=True),
                say=typer.echo,
            )

        students = {one: [student(one, seed) for seed in range(seeds)] for one in get_args(Objective)}
        reports = [
            compare(gallery, cache, students, bundle=teacher, side=chosen.side)
            for gallery, cache in zip(galleries, unseen, strict=True)
        ]
        drawn = [table for report in reports for table in tables(report)]
        print_tables(drawn)
        write_json(out / "trial.json", reports, {"config": plain_config(chosen), "seeds": seeds})
        (out / "trial.md").write_text("\n".join(map(to_markdown, drawn)), encoding="utf-8")
        typer.echo(f"All figures: {out / 'trial.json'}; tables: {out / 'trial.md'}")
