"""The command `earsight`: analyze files, list the models, serve, and measure.

Exit codes: 0 all good, 1 something failed, 2 the command was used wrongly. What is heavy (the runtime, the
web framework, the bench) is imported by the command that needs it.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console
from rich.table import Table

from app.errors import EarsightError, InputError, NotFound
from app.inference.bundle import Bundle, find_bundle, load_bundle
from app.inference.manifest import GraphFile, Manifest, Task, read_manifest
from app.inference.registry import BundleRegistry
from app.keys_cli import keys_cli
from app.pipeline.analyze import analyze
from app.pipeline.options import AnalyzeOptions, check_target, check_tasks, sampling_fps
from app.progress_bars import progress_bars
from app.results.formats import FORMATS, Format, write_result
from app.results.model import Explanation, GroupBy, Result
from app.results.tracks import tracks_of
from app.settings import Settings, TelemetrySettings
from app.start import start
from app.telemetry.logging import configure_logging

FAILED, MISUSED = 1, 2

_DEFAULT_FORMATS = "json,npz,overlay"
_MOST_KINDS = 5
_PIPE_WIDTH = 160  # columns of a table that goes to a file

cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Where does the sound in a video come from?",
)
cli.add_typer(keys_cli, name="keys")

Device = Literal["auto", "cpu", "cuda", "tensorrt"]
BundleName = Annotated[str | None, typer.Option("--bundle", metavar="NAME", help="Bundle to use.")]
DeviceName = Annotated[Device | None, typer.Option("--device", help="Where the graphs run.")]


def main() -> None:
    """Entry point: runs the command line and turns expected errors into a message and an exit code."""
    try:
        cli()
    except EarsightError as error:
        _complain(describe(error))
        sys.exit(MISUSED if isinstance(error, InputError) else FAILED)
    except (ValidationError, SettingsError) as error:
        _complain(f"a setting is wrong: {error}")
        sys.exit(MISUSED)


def describe(error: EarsightError) -> str:
    """`code: what is wrong (limit 3600, set by EARSIGHT_LIMITS__MAX_DURATION_S)`."""
    hints = []
    if error.limit is not None:
        hints.append(f"limit {error.limit}")
    if error.setting is not None:
        hints.append(f"set by {error.setting}")
    return f"{error.code}: {error.detail}" + (f" ({', '.join(hints)})" if hints else "")


@cli.callback(invoke_without_command=True)
def _root(
    show_version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if show_version:
        typer.echo(version("earsight"))
        raise typer.Exit


@cli.command("analyze")
def analyze_command(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Videos, or still images.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Each input gets a directory in it.")],
    formats: Annotated[
        str, typer.Option("--format", metavar="NAMES", help=f"Any of {', '.join(FORMATS)}.")
    ] = _DEFAULT_FORMATS,
    tasks: Annotated[
        str | None, typer.Option("--tasks", metavar="NAMES", help="What to compute; all by default.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--target", metavar="NAME", help="Event to explain; the most probable one by default."),
    ] = None,
    group_by: Annotated[
        GroupBy, typer.Option("--group-by", help="Where json and ndjson put the objects found.")
    ] = "frame",
    fps: Annotated[float | None, typer.Option("--fps", help="Frames analysed per second of video.")] = None,
    audio: Annotated[
        Path | None,
        typer.Option("--audio", metavar="FILE", help="Sound for a silent video or a still image."),
    ] = None,
    bundle: BundleName = None,
    device: DeviceName = None,
) -> None:
    """Find where the sound comes from and what makes it; write the answer into DIR/<name of the input>/."""
    settings = _settings(bundle=bundle, device=device)
    _log_to_stderr()
    if audio is not None and len(inputs) > 1:
        raise typer.BadParameter("takes one INPUT only", param_hint="--audio")
    wanted = [FORMATS[name] for name in _choices(formats, FORMATS, option="--format")]
    directory = find_bundle(settings.inference.bundle, settings.inference)
    asked = AnalyzeOptions(fps=fps, target=target, group_by=group_by)
    options = _options(asked, tasks, settings=settings, manifest=read_manifest(directory))
    for entry in wanted:
        entry.check_tasks(options.tasks)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"{shown(out)}: {error.strerror}", param_hint="--out") from error
    model = load_bundle(directory, settings.inference)
    runs = [
        _Run(path, audio, out / name, wanted) for path, name in zip(inputs, names_for(inputs), strict=True)
    ]
    failures = [run for run in runs if not _process(run, bundle=model, settings=settings, options=options)]
    if len(runs) > 1:
        typer.echo(f"{len(runs) - len(failures)} of {len(runs)} inputs done")
    if failures:
        raise typer.Exit(FAILED)


@cli.command()
def models() -> None:
    """List the bundles that can be used, with their metrics."""
    settings = Settings()
    table = Table("name", "version", "tasks", "precision", "size", "metrics")
    for name in BundleRegistry(settings).names():
        mark = " (default)" if name == settings.inference.bundle else ""
        try:
            manifest = read_manifest(find_bundle(name, settings.inference))
        except EarsightError as error:
            table.add_row(name + mark, "", "", "", "", f"cannot be used: {error.detail}")
            continue
        table.add_row(name + mark, *_model_row(manifest))
    # Cutting words to 80 columns helps nobody who reads the table from a file.
    Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, markup=False).print(table)


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
    bundle: BundleName = None,
    device: DeviceName = None,
) -> None:
    """Answer over HTTP until stopped."""
    settings = _settings(bundle=bundle, device=device)
    given = {key: value for key, value in {"host": host, "port": port}.items() if value is not None}
    start(settings.model_copy(update={"server": settings.server.model_copy(update=given)}))


@cli.command()
def bench(
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Clips of up to 5 minutes, not 10; press for seconds.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Also a clip of 60 minutes.")] = False,
    part: Annotated[
        list[str] | None, typer.Option("--part", metavar="NAME", help="Measure this only; may be repeated.")
    ] = None,
    load: Annotated[
        bool, typer.Option("--load", help="Press the service with 64 clients for 10 minutes instead.")
    ] = False,
    bundle: BundleName = None,
    device: DeviceName = None,
) -> None:
    """Measure this machine: speed, overhead, stages, memory, start-up, and clips and clients over HTTP."""
    from app.bench.load import QUICK_PLAN, Plan, run_load
    from app.bench.run import FULL_LENGTHS_S, LENGTHS_S, QUICK_LENGTHS_S, parts_of, run_bench

    _log_to_stderr()
    settings = _settings(bundle=bundle, device=device)
    if load:
        run_load(settings, QUICK_PLAN if quick else Plan(), json_file=json_file)
    else:
        lengths_s = QUICK_LENGTHS_S if quick else FULL_LENGTHS_S if full else LENGTHS_S
        run_bench(settings, parts=parts_of(part), lengths_s=lengths_s, json_file=json_file)


@dataclass(frozen=True, slots=True)
class _Run:
    """One input and what shall become of it."""

    path: Path
    audio: Path | None
    directory: Path
    formats: Sequence[Format]


def _process(run: _Run, *, bundle: Bundle, settings: Settings, options: AnalyzeOptions) -> bool:
    """Analyse one input and write its results; say what happened. Whether all went well."""
    started_s = time.monotonic()
    try:
        for path in (run.path, run.audio):
            if path is not None and not path.is_file():
                raise NotFound(f"there is no file {shown(path)}")
        with progress_bars(shown(run.path)) as bars:
            result = analyze(
                run.path,
                bundle=bundle,
                settings=settings,
                options=options,
                audio=run.audio,
                progress=bars.analyzed,
            )
            run.directory.mkdir(parents=True, exist_ok=True)
            for entry in run.formats:
                write_result(
                    result,
                    run.directory / entry.file_name,
                    format=entry,
                    source=run.path,
                    audio=run.audio,
                    settings=settings,
                    progress=bars.drawn,
                )
    except EarsightError as error:
        _complain(f"{shown(run.path)}: {describe(error)}")
        return False
    except OSError as error:
        place = shown(Path(error.filename or run.directory))
        _complain(f"{shown(run.path)}: {place}: {error.strerror or error}")
        return False
    _report(run, result, seconds=time.monotonic() - started_s)
    return True


def _report(run: _Run, result: Result, *, seconds: float) -> None:
    rate = result.source.duration_s / seconds
    typer.echo(
        f"{shown(run.path)}: {len(result.frames)} frames of {result.source.duration_s:.1f} s"
        f" in {seconds:.1f} s ({rate:.1f} x real time)"
    )
    if result.frames.detections is not None:
        typer.echo(f"  found     {objects_found(result)}")
    if result.explanations is not None:
        typer.echo(f"  explained {events_explained(result.explanations)}")
    for notice in result.notices:
        typer.echo(f"  note      {notice.code}: {notice.detail}")
    for entry in run.formats:
        typer.echo(f"  {entry.name:<9} {shown(run.directory / entry.file_name)}")


def objects_found(result: Result) -> str:
    """`3 objects, sounding: guitar`; the kinds that sound most surely come first, at most `_MOST_KINDS`."""
    tracks = tracks_of(result.frames)
    sounding = [track for track in tracks if track.sounding >= result.thresholds.sounding]
    by_sounding = sorted(sounding, key=lambda track: -track.sounding)
    kinds = list(dict.fromkeys(track.label for track in by_sounding))
    named = ", ".join(kinds[:_MOST_KINDS]) + (", ..." if len(kinds) > _MOST_KINDS else "")
    number = "1 object" if len(tracks) == 1 else f"{len(tracks)} objects"
    return f"{number}, sounding: {named or 'none'}"


def events_explained(explanations: Sequence[Explanation]) -> str:
    """`Dog (0.91) most at 3.3 s; Piano (0.80)`, stretch by stretch, at most `_MOST_KINDS`."""
    told = [each for each in explanations if each.counts]
    named = [f"{each.event.label} ({each.event.score:.2f}){_moment(each)}" for each in told[:_MOST_KINDS]]
    return "; ".join(named + ["..."] * (len(told) > _MOST_KINDS)) or "nothing for sure"


def _moment(explanation: Explanation) -> str:
    most_s = explanation.time_s[explanation.when_audio.argmax()]
    return "" if explanation.reason == "no_moment" else f" most at {most_s:.1f} s"


def names_for(inputs: Sequence[Path]) -> list[str]:
    """A directory name for each input: its stem, with a number where it is already taken.

    Letter case is not enough of a difference, since some file systems ignore it.
    """
    taken: set[str] = set()
    names = []
    for path in inputs:
        stem = path.stem.strip(". ") or "clip"
        name, number = stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def shown(path: Path) -> str:
    """The path as a terminal may show it: without control characters or undecodable bytes."""
    return "".join(character if character.isprintable() else "?" for character in str(path))


def _settings(*, bundle: str | None, device: Device | None) -> Settings:
    settings = Settings()
    given: dict[str, Any] = {"bundle": bundle, "device": device}
    changes = {key: value for key, value in given.items() if value is not None}
    return settings.model_copy(update={"inference": settings.inference.model_copy(update=changes)})


def _options(
    asked: AnalyzeOptions, tasks: str | None, *, settings: Settings, manifest: Manifest
) -> AnalyzeOptions:
    """What was asked for with those tasks, or with all of the bundle.

    Raises InvalidRequest or typer.BadParameter, before anything slow is done.
    """
    chosen: tuple[Task, ...] = manifest.tasks
    if tasks is not None:
        chosen = tuple(_choices(tasks, get_args(Task), option="--tasks"))  # type: ignore[arg-type]
    options = replace(asked, tasks=chosen)
    check_tasks(options, manifest=manifest)
    check_target(options, manifest=manifest)
    sampling_fps(options, settings=settings, manifest=manifest)
    return options


def _choices(text: str, known: Sequence[str] | dict[str, Any], *, option: str) -> list[str]:
    """A list such as `json,npz`, without repetitions."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise typer.BadParameter(
            f"{', '.join(unknown) or 'nothing'} is not among {', '.join(known)}", param_hint=option
        )
    return names


def _model_row(manifest: Manifest) -> tuple[str, str, str, str, str]:
    return (
        manifest.version,
        ", ".join(manifest.tasks),
        ", ".join(f"{file.role} {file.precision}" for file in manifest.files),
        _sizes(manifest.files),
        "\n".join(
            f"{metric.name} {metric.value:g} ({metric.dataset}, n = {metric.n})"
            for metric in manifest.metrics
        ),
    )


def _sizes(files: Sequence[GraphFile]) -> str:
    """`25.1 MB`, and in the next line `13.0 MB of default` if some are shared with that bundle."""
    size_bytes: Counter[str | None] = Counter()
    for file in files:
        size_bytes[file.bundle] += file.size_bytes
    return "\n".join(
        f"{total / 1e6:.1f} MB" + (f" of {bundle}" if bundle else "") for bundle, total in size_bytes.items()
    )


def _log_to_stderr() -> None:
    """Warnings, as text: standard output is for what the command was asked for."""
    configure_logging(TelemetrySettings(log_level="warning", log_format="text"), sys.stderr)


def _complain(message: str) -> None:
    typer.echo(f"earsight: {message}", err=True)


if __name__ == "__main__":
    main()
