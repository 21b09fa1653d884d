"""`earsight-train cmc-views`: CMC with two, three and four views, side by side."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from training.loop.options import CacheDirs, ConfigFile, Epochs
from training.methods.command import Seeds, Settings, explained, read_settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

TestDir = Annotated[
    Path,
    typer.Option("--test", metavar="DIR", exists=True, file_okay=False, help="Cache to measure on, unseen."),
]
OutDir = Annotated[Path, typer.Option("--out", metavar="DIR", help="Gets the runs, views.json and views.md.")]


@app.command()
def views(
    caches: CacheDirs,
    test: TestDir,
    out: OutDir,
    seeds: Seeds = 3,
    config: ConfigFile = None,
    settings: Settings = None,
    epochs: Epochs = None,
) -> None:
    """Train CMC on audio and frame, then with crop, then with motion too, and probe what the encoder of the
    sound has learned: a linear classifier of what is heard, and retrieval between sounds and frames. The same
    command goes on where it was stopped."""
    with explained():
        from training.cache.reading import open_cache
        from training.checkpoints import load_localizer
        from training.evaluation.tables import print_tables, to_markdown
        from training.loop.fitting import RunOptions
        from training.methods.cmc.config import CmcConfig
        from training.methods.cmc.module import Cmc
        from training.methods.running import Request
        from training.trial.arms import trained_checkpoint, untrained
        from training.trial.gallery import gallery_of
        from training.trial.views import ORDER, probe_accuracy, quality_of, quality_table, single_labels

        chosen = read_settings(CmcConfig, config, settings, epochs=epochs)
        seen, unseen = (
            gallery_of(open_cache(*caches).split("train"), "train"),
            gallery_of(open_cache(test), "test"),
        )

        def request(count: int, seed: int) -> Request:
            with_views = replace(chosen, views=ORDER[:count])
            run = RunOptions(out / f"views{count}-seed{seed}", chosen.epochs, seed=seed, devices=1)
            return Request(Cmc, with_views, tuple(caches), run)

        rows = []
        for count in range(2, len(ORDER) + 1):
            paths = [trained_checkpoint(request(count, seed), say=typer.echo) for seed in range(seeds)]
            modules = [load_localizer(path) for path in paths]
            rows.append((", ".join(ORDER[:count]), [quality_of(module, seen, unseen) for module in modules]))
        naive = [quality_of(untrained(request(2, seed)), seen, unseen) for seed in range(seeds)]
        rows.append(("untrained", naive))
        raw = [part.moments["embedding"].float().log1p() for part in (seen, unseen)]
        ceiling = probe_accuracy(raw[0], seen, raw[1], unseen)
        known = set(single_labels(seen)[1])
        n_probe = sum(label in known for label in single_labels(unseen)[1])
        table = quality_table(rows, n_probe=n_probe, n=len(unseen))
        print_tables([table])
        n = len(unseen)
        note = (
            f"Probe on the audio encoder's own embedding: {100 * ceiling:.1f} %."
            f" Chance of R@1 {100 / n:.1f} %, of R@5 {500 / n:.1f} %."
        )
        typer.echo(note)
        (out / "views.md").write_text(f"{to_markdown(table)}\n{note}\n", encoding="utf-8")
        content = {
            "embedding_probe": ceiling,
            "rows": {name: list(map(asdict, found)) for name, found in rows},
        }
        (out / "views.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
