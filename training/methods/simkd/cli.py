"""`earsight-train simkd`: a small visual encoder for the heads of a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.loop.options import (
    AcceleratorName,
    CacheDirs,
    ConfigFile,
    Devices,
    Epochs,
    Minutes,
    NumNodes,
    OutDir,
    PrecisionName,
    Resume,
    Seed,
)
from training.methods.command import INTERRUPTED, Settings, explained, read_settings
from training.methods.simkd.config import Objective

app = typer.Typer(add_completion=False, help="Distil a bundle's visual encoder into a small one.")

ObjectiveName = Annotated[
    Objective | None,
    typer.Option("--objective", help="simkd, or what it is compared with: logits or alone."),
]

Start = Annotated[
    Path | None,
    typer.Option("--start", metavar="FILE", help="Checkpoint of a student to go on from."),
]


@app.command()
def simkd(
    caches: CacheDirs,
    out: OutDir,
    objective: ObjectiveName = None,
    start: Start = None,
    config: ConfigFile = None,
    settings: Settings = None,
    seed: Seed = 0,
    devices: Devices = "1",
    accelerator: AcceleratorName = "auto",
    num_nodes: NumNodes = 1,
    precision: PrecisionName = "32-true",
    resume: Resume = False,
    epochs: Epochs = None,
    minutes: Minutes = None,
) -> None:
    """Train a student of the encoder that made the caches, which hold frames and class maps
    (`--fields class_map,raw`). `earsight-train add-student` makes a bundle with it."""
    with explained():
        from training.loop.fitting import RunOptions
        from training.methods.simkd.config import SimkdConfig
        from training.methods.simkd.running import Request, train

        chosen = read_settings(SimkdConfig, config, settings, epochs=epochs, objective=objective)
        run = RunOptions(
            out,
            chosen.epochs,
            seed=seed,
            devices=devices,
            num_nodes=num_nodes,
            precision=precision,
            accelerator=accelerator,
            minutes=minutes,
            resume=resume,
            deterministic=False,  # resizing has no deterministic gradient on a GPU
        )
        fitted = train(Request(chosen, tuple(caches), run, start=start))
    if fitted.outcome == "interrupted":
        raise typer.Exit(INTERRUPTED)
