"""Options that the commands of all methods share, so that they look alike. PyTorch is not needed for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Precision = Literal["32-true", "16-mixed", "bf16-mixed", "64-true"]  # in Lightning's words
Accelerator = Literal["auto", "cpu", "gpu"]


def _checked_devices(text: str) -> str:
    if text != "auto" and not (text.isdecimal() and int(text)):
        raise typer.BadParameter(f"{text!r} is neither a number of devices nor auto")
    return text


def _there(caches: list[str]) -> list[str]:
    for cache in caches:
        if "://" not in cache and not Path(cache).is_dir():
            raise typer.BadParameter(f"the directory {cache!r} does not exist")
    return caches


CacheDirs = Annotated[
    list[str],
    typer.Option(
        "--cache",
        metavar="DIR",
        callback=_there,
        help="Cache to train on, directory or URL, made by `earsight-train cache`; several may be given.",
    ),
]
OutDir = Annotated[
    Path,
    typer.Option("--out", metavar="DIR", help="Directory of the run: best.ckpt, last.ckpt and logs/."),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        dir_okay=False,
        exists=True,
        help="TOML file; without it, built-in values.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of everything that is random.")]
Devices = Annotated[
    str,
    typer.Option(
        "--devices", metavar="N", callback=_checked_devices, help="Devices on each machine, or auto for all."
    ),
]
AcceleratorName = Annotated[Accelerator, typer.Option("--accelerator", help="What to compute on.")]
NumNodes = Annotated[int, typer.Option("--num-nodes", min=1, help="Machines.")]
PrecisionName = Annotated[Precision, typer.Option("--precision", help="Precision of the computation.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, which was broken off.")]
Epochs = Annotated[
    int | None,
    typer.Option("--epochs", min=1, help="How often all data are seen; otherwise as the method has it."),
]
Minutes = Annotated[
    float | None,
    typer.Option("--minutes", min=0, help="Stop after so long, at a place where --resume can go on."),
]
EndToEnd = Annotated[
    bool,
    typer.Option("--end-to-end", help="Train the encoders, too; needs a cache with --fields raw, and a GPU."),
]
