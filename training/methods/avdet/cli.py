"""`earsight-train avdet`."""

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
    OutDir,
    PrecisionName,
    Resume,
    Seed,
)
from training.methods.command import INTERRUPTED, Settings, ShuffledAudio, explained, read_settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

BundleName = Annotated[
    str, typer.Option("--bundle", metavar="NAME", help="Bundle whose localiser gives the heatmaps.")
]
CheckpointFile = Annotated[
    Path | None,
    typer.Option(
        "--localiser",
        metavar="FILE",
        dir_okay=False,
        exists=True,
        help="Checkpoint of sspl or cmc that gives the heatmaps, in place of the bundle.",
    ),
]
ShuffledLabels = Annotated[
    bool, typer.Option("--shuffled-labels", help="Give each box the class of another: a control.")
]


@app.command()
def train(
    caches: CacheDirs,
    out: OutDir,
    bundle: BundleName = "default",
    localiser: CheckpointFile = None,
    config: ConfigFile = None,
    settings: Settings = None,
    seed: Seed = 0,
    epochs: Epochs = None,
    shuffled_audio: ShuffledAudio = False,
    shuffled_labels: ShuffledLabels = False,
    devices: Devices = "1",
    accelerator: AcceleratorName = "auto",
    precision: PrecisionName = "32-true",
    resume: Resume = False,
    minutes: Minutes = None,
) -> None:
    """Train AVDet, a detector that sees: a localiser says where the sound comes from, clustering what it is.

    The caches need --fields class_map. No box and no label is used to train; marked validation frames, where
    there are any, choose the best epoch, the boxes' rule and the names.
    """
    with explained():
        from app.settings import Settings as AppSettings
        from training.evaluation.models import open_model
        from training.loop.fitting import RunOptions
        from training.methods.avdet.config import AvdetConfig
        from training.methods.avdet.running import Request
        from training.methods.avdet.running import train as run

        chosen = read_settings(AvdetConfig, config, settings, epochs=epochs)
        model = open_model(bundle, AppSettings().inference, checkpoint=localiser)
        options = RunOptions(
            out=out,
            epochs=chosen.epochs,
            seed=seed,
            devices=devices,
            precision=precision,
            accelerator=accelerator,
            minutes=minutes,
            resume=resume,
        )
        trained = run(
            Request(
                chosen,
                tuple(caches),
                model.localize,
                options,
                shuffled_audio=shuffled_audio,
                shuffled_labels=shuffled_labels,
            )
        )
    if trained.fitted.outcome == "interrupted":
        raise typer.Exit(INTERRUPTED)
