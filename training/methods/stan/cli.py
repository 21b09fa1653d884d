"""`earsight-train stan`."""

from __future__ import annotations

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
from training.methods.avdet.cli import BundleName, CheckpointFile
from training.methods.command import INTERRUPTED, Settings, ShuffledAudio, explained, read_settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


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
    devices: Devices = "1",
    accelerator: AcceleratorName = "auto",
    precision: PrecisionName = "32-true",
    resume: Resume = False,
    minutes: Minutes = None,
) -> None:
    """Train STAN, which recognises what is seen and heard, and shows where and when it looked and listened.

    The caches need --fields class_map, and twenty frames an example, half a second apart: --fps 2
    --max-frames 20 --views 0. No label is used to train: the audio encoder says what is heard, the localiser
    whether its source is in sight.
    """
    with explained():
        from app.settings import Settings as AppSettings
        from training.evaluation.models import open_model
        from training.loop.fitting import RunOptions
        from training.methods.stan.config import StanConfig
        from training.methods.stan.running import Request
        from training.methods.stan.running import train as run

        chosen = read_settings(StanConfig, config, settings, epochs=epochs)
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
        request = Request(chosen, tuple(caches), model.bundle, model.localize, options, shuffled_audio)
        fitted = run(request)
    if fitted.outcome == "interrupted":
        raise typer.Exit(INTERRUPTED)
