"""`earsight-train cmc-images`: contrastive multiview coding of a folder of pictures."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.loop.options import (
    AcceleratorName,
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

if TYPE_CHECKING:  # PyTorch takes seconds to load, and `--help` need not wait for it
    from training.loop.fitting import RunOptions
    from training.methods.cmc_images.config import CmcImagesConfig
    from training.methods.cmc_images.encoder import SplitEncoder
    from training.methods.cmc_images.module import CmcImages
    from training.methods.cmc_images.pictures import Folder, Pictures

app = typer.Typer(
    add_completion=False, help="Contrastive multiview coding of pictures: lightness and colour."
)

ImagesDir = Annotated[
    Path,
    typer.Argument(
        metavar="IMAGES", exists=True, file_okay=False, help="Folder with a sub-folder of pictures per class."
    ),
]
Workers = Annotated[
    int,
    typer.Option("--workers", min=0, max=64, help="Processes that decode pictures; 0 decodes in this one."),
]


@app.command()
def cmc_images(
    images: ImagesDir,
    out: OutDir,
    config: ConfigFile = None,
    settings: Settings = None,
    seed: Seed = 0,
    devices: Devices = "auto",
    accelerator: AcceleratorName = "auto",
    num_nodes: NumNodes = 1,
    precision: PrecisionName = "32-true",
    resume: Resume = False,
    epochs: Epochs = None,
    minutes: Minutes = None,
    workers: Workers = 2,
) -> None:
    """Train on the pictures of IMAGES without their classes, then tell how well these can be read off.

    A tenth of the pictures is kept for validation. Pictures that cannot be read are left out and named.
    """
    with explained():
        from training.loop.fitting import RunOptions
        from training.methods.cmc_images.config import CmcImagesConfig
        from training.methods.cmc_images.pictures import read_folder

        chosen = read_settings(CmcImagesConfig, config, settings, epochs=epochs)
        folder = read_folder(images, side=chosen.side)
        _say_what_is_there(folder)
        run = RunOptions(
            out,
            chosen.epochs,
            seed,
            devices=devices,
            num_nodes=num_nodes,
            precision=precision,
            accelerator=accelerator,
            minutes=minutes,
            resume=resume,
        )
        _train(chosen, folder, run, workers=workers)


def _say_what_is_there(folder: Folder) -> None:
    for fault in folder.broken:
        typer.echo(f"left out: {fault}", err=True)
    typer.echo(
        f"{len(folder.train)} pictures to train on, {len(folder.val)} to validate by,"
        f" classes: {len(folder.classes)}"
    )


def _train(config: CmcImagesConfig, folder: Folder, run: RunOptions, *, workers: int) -> None:
    from training.loop.fitting import fit
    from training.loop.loading import TrainingData
    from training.loop.seeding import seed_all
    from training.methods.cmc_images.module import CmcImages
    from training.methods.cmc_images.pictures import Pictures

    train, val = (Pictures(files, side=config.side) for files in (folder.train, folder.val))
    seed_all(run.seed)
    module = CmcImages(config, len(train))
    untrained = deepcopy(module.encoder)
    fitted = fit(module, TrainingData(train, val, batch=config.batch, workers=workers), run)
    if fitted.outcome == "interrupted":
        raise typer.Exit(INTERRUPTED)
    if len(folder.classes) > 1 and module.trainer.is_global_zero:
        _probe(module, untrained, (train, val), run, workers=workers)


def _probe(
    module: CmcImages,
    untrained: SplitEncoder,
    parts: tuple[Pictures, Pictures],
    run: RunOptions,
    *,
    workers: int,
) -> None:
    """Say how well the classes can be read off the last state, which was not chosen by anything."""
    import torch

    from training.methods.cmc_images.probe import frozen_features, majority_share, settle_statistics
    from training.methods.linear_probe import fit_probe

    config, (train, val) = module.config, parts
    device = "cuda" if run.accelerator != "cpu" and torch.cuda.is_available() else "cpu"
    settle_statistics(untrained.to(device), train, crop=config.crop, workers=workers)
    typer.echo(f"Linear probe on frozen features, top-1 (top-5) of {len(val)} validation pictures:")
    for name, encoder in (("trained", module.encoder), ("untrained", untrained)):
        features = [
            frozen_features(encoder.to(device), part, crop=config.crop, workers=workers)
            for part in (train, val)
        ]
        accuracy = fit_probe(*features, rate=config.probe_rate, epochs=config.probe_epochs, seed=run.seed)
        typer.echo(f"  {name:<13} {accuracy.top1:.3f} ({accuracy.top5:.3f})")
    typer.echo(f"  {'largest class':<13} {majority_share(train, val):.3f}")
