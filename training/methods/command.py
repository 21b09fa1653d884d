"""The command line of a localiser's training, the same for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.errors import EarsightError
from training.loop.options import (
    AcceleratorName,
    CacheDirs,
    ConfigFile,
    Devices,
    EndToEnd,
    Epochs,
    Minutes,
    NumNodes,
    OutDir,
    PrecisionName,
    Resume,
    Seed,
)
from training.methods.localisers import find_kind

if TYPE_CHECKING:  # PyTorch takes seconds to load, and `--help` need not wait for it
    from torch import nn

FAILED, INTERRUPTED = 1, 130

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A value of the configuration, as TOML; several may be set."
    ),
]
Seeds = Annotated[int, typer.Option(min=1, help="How many seeds, counted from 0.")]
ShuffledAudio = Annotated[
    bool,
    typer.Option("--shuffled-audio", help="Give each moment another's sound: the control of every result."),
]
Vgg16 = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", dir_okay=False, help="Weights of VGG-16: train on it, as SSPL's paper does."
    ),
]
VggishFile = Annotated[
    Path | None,
    typer.Option("--vggish", metavar="FILE", dir_okay=False, help="Weights of VGGish, with --vgg16."),
]
Workers = Annotated[int, typer.Option(min=0, help="Processes that load frames and sound, if those are read.")]


def method_app(name: str, *, about: str) -> typer.Typer:
    """The command that trains the localiser of a name."""
    app = typer.Typer(add_completion=False, help=about, pretty_exceptions_enable=False)

    @app.command(help=about)
    def train(
        caches: CacheDirs,
        out: OutDir,
        config: ConfigFile = None,
        settings: Settings = None,
        seed: Seed = 0,
        epochs: Epochs = None,
        shuffled_audio: ShuffledAudio = False,
        end_to_end: EndToEnd = False,
        vgg16: Vgg16 = None,
        vggish: VggishFile = None,
        devices: Devices = "1",
        accelerator: AcceleratorName = "auto",
        num_nodes: NumNodes = 1,
        precision: PrecisionName = "32-true",
        workers: Workers = 0,
        resume: Resume = False,
        minutes: Minutes = None,
    ) -> None:
        with explained():
            from training.loop.fitting import RunOptions
            from training.methods.running import Request
            from training.methods.running import train as run

            kind = find_kind(name)
            chosen = read_settings(kind.config, config, settings, epochs=epochs)
            fitted = run(
                Request(
                    kind.method,
                    chosen,
                    tuple(caches),
                    RunOptions(
                        out=out,
                        epochs=chosen.epochs,
                        seed=seed,
                        devices=devices,
                        num_nodes=num_nodes,
                        precision=precision,
                        accelerator=accelerator,
                        minutes=minutes,
                        resume=resume,
                        # Gradients of resampling have no deterministic form on a GPU.
                        deterministic=not end_to_end,
                    ),
                    shuffled_audio=shuffled_audio,
                    encoders=_encoders(end_to_end, vgg16, vggish),
                    workers=workers,
                )
            )
        if fitted.outcome == "interrupted":
            raise typer.Exit(INTERRUPTED)

    return app


def read_settings(cls: type[Any], path: Path | None, settings: list[str] | None, **overrides: Any) -> Any:
    """A configuration from file, `--set KEY=VALUE` and options that were given, in this order.

    Raises ConfigError.
    """
    import tomllib

    from training.loop.config import ConfigError, load_config

    values: dict[str, Any] = {}
    for setting in settings or ():
        key, separator, value = setting.partition("=")
        if not separator:
            raise ConfigError(f"--set {setting}: write KEY=VALUE")
        try:
            values[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            values[key.strip()] = value.strip()  # a word needs no quotes
    given = {key: value for key, value in overrides.items() if value is not None}
    return load_config(cls, path, {**values, **given})


def _encoders(end_to_end: bool, vgg16: Path | None, vggish: Path | None) -> nn.Module | None:
    if (vgg16 is None) != (vggish is None):
        raise ValueError("--vgg16 and --vggish go together: name both files")
    if vgg16 is not None and vggish is not None:
        from training.methods.sspl.paper_encoders import load_paper_encoders

        if end_to_end:
            raise ValueError("the encoders of --vgg16 and --vggish stay frozen: leave out --end-to-end")
        return load_paper_encoders(vgg16, vggish)
    if end_to_end:
        from training.loop.end_to_end import load_end_to_end

        return load_end_to_end()
    return None


@contextmanager
def explained() -> Iterator[None]:
    """Turn what can be wrong with data, configuration, disk or machine into one line and exit code 1.

    Ctrl-C, where nothing below took care of it, ends with a line and code 130.
    """
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    try:
        yield
    except (EarsightError, OSError, ValueError, MisconfigurationException) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(FAILED) from error
    except KeyboardInterrupt:
        typer.echo("Stopped. What is done is kept: run the same command again to go on.")
        raise typer.Exit(INTERRUPTED) from None
