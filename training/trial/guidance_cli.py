"""`earsight-train guidance-trial`: CMC without language, with it, and with names of other sounds."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from training.loop.options import CacheDirs, ConfigFile, Epochs
from training.methods.command import Seeds, Settings, explained, read_settings

if TYPE_CHECKING:
    from training.methods.cmc.config import Guidance

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

TestDirs = Annotated[
    list[Path],
    typer.Option("--test", metavar="DIR", exists=True, file_okay=False, help="Cache to measure on, unseen."),
]
OutDir = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Gets the runs, guidance.json and guidance.md.")
]


@app.command()
def guidance(
    caches: CacheDirs,
    tests: TestDirs,
    out: OutDir,
    seeds: Seeds = 3,
    config: ConfigFile = None,
    settings: Settings = None,
    epochs: Epochs = None,
) -> None:
    """Train CMC alone, guided by labels (elg), by the events that are heard (plg), and by either with names
    of others (shuffled), with each seed, and compare retrieval between sounds and frames, and the maps, on
    unseen examples. The same command goes on where it was stopped."""
    with explained():
        from training.cache.reading import open_cache
        from training.checkpoints import load_localizer
        from training.evaluation.tables import print_tables, to_markdown
        from training.loop.config import plain_config
        from training.loop.fitting import RunOptions
        from training.methods.cmc.config import CmcConfig
        from training.methods.cmc.module import Cmc
        from training.methods.running import Request, train
        from training.trial.arms import untrained
        from training.trial.gallery import gallery_of
        from training.trial.guidance import ARMS, NONE, UNTRAINED, report_on, tables, values_of
        from training.trial.runs import best_checkpoint

        chosen = read_settings(CmcConfig, config, settings, epochs=epochs)
        open_cache(*caches, *tests)  # refuses caches of different encoders, before an hour is spent
        galleries = [gallery_of(open_cache(directory), directory.name) for directory in tests]

        def request(arm: Guidance, seed: int) -> Request:
            run = RunOptions(out / f"{arm}-seed{seed}", chosen.epochs, seed=seed, devices=1)
            return Request(Cmc, replace(chosen, guidance=arm), tuple(caches), run)

        def trained(arm: Guidance, seed: int) -> Cmc:
            wanted = request(arm, seed)
            path = best_checkpoint(wanted.run, lambda run: train(replace(wanted, run=run)), say=typer.echo)
            return cast(Cmc, load_localizer(path))

        modules: dict[str, list[Cmc]] = {arm: [trained(arm, seed) for seed in range(seeds)] for arm in ARMS}
        modules[UNTRAINED] = [cast(Cmc, untrained(request(NONE, seed))) for seed in range(seeds)]
        reports = []
        for gallery in galleries:
            values = {name: [values_of(one, gallery) for one in each] for name, each in modules.items()}
            reports.append(report_on(gallery, values))
        drawn = [table for report in reports for table in tables(report)]
        print_tables(drawn)
        about = {"config": plain_config(chosen), "seeds": seeds}
        content = {"about": about, "galleries": list(map(asdict, reports))}
        (out / "guidance.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        (out / "guidance.md").write_text("\n".join(map(to_markdown, drawn)), encoding="utf-8")
        typer.echo(f"All figures: {out / 'guidance.json'}; tables: {out / 'guidance.md'}")
