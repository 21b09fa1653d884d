"""`earsight-train language-guidance`: an embedding of pictures, guided by the names of their classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
from training.methods.language_guidance.config import Base, Guidance

app = typer.Typer(add_completion=False, help="Metric learning of pictures, guided by language.")

ImagesDir = Annotated[
    Path,
    typer.Argument(
        metavar="IMAGES", exists=True, file_okay=False, help="Folder with a sub-folder of pictures per class."
    ),
]
GuidanceName = Annotated[
    Guidance | None,
    typer.Option(
        "--guidance",
        help="By names of folders (elg) or of ImageNet classes seen in them (plg); shuffled is the control.",
    ),
]
BaseName = Annotated[Base | None, typer.Option("--base", help="The loss that is guided.")]
Workers = Annotated[
    int,
    typer.Option("--workers", min=0, max=64, help="Processes that decode pictures; 0 decodes in this one."),
]


@app.command()
def language_guidance(
    images: ImagesDir,
    out: OutDir,
    guidance: GuidanceName = None,
    base: BaseName = None,
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
    workers: Workers = 2,
) -> None:
    """Train on half the classes of IMAGES, then tell how well pictures of the others find each other.

    A share of the pictures of the trained classes chooses the epoch; the unseen classes choose nothing.
    Pictures that cannot be read are left out and named.
    """
    with explained():
        from training.encoders.dinov2 import fixed_size, load_dinov2
        from training.encoders.efficientnet_lite import load_efficientnet_lite
        from training.loop.fitting import RunOptions
        from training.methods.cmc_images.pictures import read_folder
        from training.methods.language_guidance.config import LanguageGuidanceConfig
        from training.methods.language_guidance.pictures import SIDE, TOKENS_SIDE, encode, split_classes
        from training.methods.language_guidance.running import train

        chosen = read_settings(
            LanguageGuidanceConfig, config, settings, epochs=epochs, guidance=guidance, base=base
        )
        folder = read_folder(images, side=SIDE)
        for fault in folder.broken:
            typer.echo(f"left out: {fault}", err=True)
        split = split_classes(folder, trained=chosen.trained, validation=chosen.validation)
        typer.echo(
            f"{len(split.train)} pictures of {len(split.classes)} classes to train on, {len(split.val)} to"
            f" validate by; {len(split.unseen)} of {len(folder.classes) - len(split.classes)} unseen classes"
        )
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
        classifier = load_efficientnet_lite()
        tokens = fixed_size(load_dinov2(), TOKENS_SIDE) if chosen.encoder == "dinov2" else None
        files = (split.train, split.val, split.unseen)
        parts = [encode(part, classifier, tokens, workers=workers) for part in files]
        fitted = train(chosen, parts, split.classes, run, say=typer.echo)
    if fitted.outcome == "interrupted":
        raise typer.Exit(INTERRUPTED)
