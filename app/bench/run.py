"""`earsight bench`: everything that has a budget, measured on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from app.bench.clips import repeat_piece, write_piece
from app.bench.figures import Figure, machine, print_figures, write_figures
from app.bench.memory import memory_figures
from app.bench.server import server_figures
from app.bench.speed import added_figures, compared_figures, graph_figures, pipeline_figures
from app.inference.bundle import find_bundle
from app.inference.manifest import read_manifest
from app.inference.registry import BundleRegistry
from app.settings import Settings

REQUEST_S, SHORT_S, LONG_S, QUICK_LONG_S = 10.0, 60.0, 1800.0, 300.0


def run_bench(settings: Settings, *, quick: bool = False, json_file: Path | None = None) -> list[Figure]:
    """Measure, print the figures, and write them to `json_file` if there is one.

    Args:
        quick: compare the memory of one minute with that of 5 minutes instead of 30.

    Raises:
        BundleError: the bundle cannot be used.
        InternalError: a process that was started for a measurement failed.
    """
    bundle = read_manifest(find_bundle(settings.inference.bundle, settings.inference))
    about = machine() | {"bundle": f"{bundle.name} {bundle.version}"}
    with (
        tempfile.TemporaryDirectory(dir=settings.scratch_dir, prefix="earsight-bench-") as scratch,
        Console(stderr=True).status("") as status,
    ):
        figures = []
        for part in _measure(
            settings, Path(scratch), long_s=QUICK_LONG_S if quick else LONG_S, say=status.update
        ):
            figures.extend(part)
    print_figures(figures, about=about)
    if json_file is not None:
        write_figures(figures, json_file, about=about)
    return figures


def _measure(
    settings: Settings, scratch: Path, *, long_s: float, say: Callable[[str], None]
) -> Iterator[list[Figure]]:
    say("making clips")
    piece = scratch / "piece.mp4"
    content = write_piece(piece, settings=settings)
    clips = {}
    for duration_s in (REQUEST_S, SHORT_S, long_s):
        clips[duration_s] = scratch / f"{duration_s:g}s.mp4"
        repeat_piece(piece, clips[duration_s], duration_s=duration_s)
    # Fresh processes first: they should not share the cores and the memory with a loaded bundle.
    say("starting the service")
    yield server_figures(clips[REQUEST_S], settings=settings, content=content)
    say("watching the memory")
    yield memory_figures(clips[SHORT_S], clips[long_s], settings=settings, content=content)
    say("timing the graphs and the pipeline")
    registry = BundleRegistry(settings)
    bundle = registry.get()
    yield graph_figures(bundle, settings)
    # A bundle that shares graphs with another one was made to be faster.
    for name in {entry.bundle for entry in bundle.manifest.files if entry.bundle is not None}:
        yield compared_figures(bundle, registry.get(name), settings)
    yield pipeline_figures(bundle, settings, clips[SHORT_S], content=content)
    yield added_figures(bundle, settings, clips[REQUEST_S], content=content)
