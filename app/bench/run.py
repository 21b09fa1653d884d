"""`earsight bench`: everything that has a budget, measured on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

from rich.console import Console

from app.bench.batches import batch_figures
from app.bench.clips import Clips
from app.bench.concurrency import concurrency_figures
from app.bench.figures import Figure, machine, tell_figures
from app.bench.lengths import MINUTE_S, length_figures
from app.bench.overhead import overhead_figures
from app.bench.server import server_figures
from app.bench.speed import added_figures, compared_figures, graph_figures
from app.bench.stages import stage_figures
from app.errors import InvalidRequest
from app.inference.bundle import Bundle, find_bundle
from app.inference.manifest import read_manifest
from app.inference.registry import BundleRegistry
from app.settings import Settings

REQUEST_S = 10.0
QUICK_LENGTHS_S = (REQUEST_S, MINUTE_S, 300.0)
LENGTHS_S = (REQUEST_S, MINUTE_S, 600.0)
FULL_LENGTHS_S = (*LENGTHS_S, 3600.0)

# Those that start fresh processes come first: they should not share cores and memory with a loaded bundle.
Part = Literal["server", "lengths", "clients", "graphs", "batches", "overhead", "stages", "tasks"]
PARTS: tuple[Part, ...] = get_args(Part)


def parts_of(names: Sequence[str] | None) -> tuple[Part, ...]:
    """The parts of those names, all by default, in the order they are measured. Raises InvalidRequest."""
    unknown = set(names or ()) - set(PARTS)
    if unknown:
        raise InvalidRequest(f"the bench has no part {', '.join(sorted(unknown))}; parts: {', '.join(PARTS)}")
    return tuple(part for part in PARTS if not names or part in names)


def run_bench(
    settings: Settings,
    *,
    parts: Sequence[Part] = PARTS,
    lengths_s: Sequence[float] = LENGTHS_S,
    json_file: Path | None = None,
) -> list[Figure]:
    """Measure, print the figures, and write them to `json_file` if there is one.

    Args:
        parts: what to measure, in this order.
        lengths_s: of the clips whose memory and time are compared.

    Raises:
        BundleError: the bundle cannot be used.
        InternalError: a process that was started for a measurement failed.
    """
    manifest = read_manifest(find_bundle(settings.inference.bundle, settings.inference))
    about = machine() | {"bundle": f"{manifest.name} {manifest.version}"}
    with (
        tempfile.TemporaryDirectory(dir=settings.scratch_dir, prefix="earsight-bench-") as scratch,
        Console(stderr=True).status("") as status,
    ):
        bench = _Bench(settings, Path(scratch), lengths_s)
        measured = []
        for part in parts:
            status.update(f"measuring: {part}")
            measured += bench.measure(part)
    tell_figures(measured, about=about, json_file=json_file)
    return measured


class _Bench:
    """What the parts share."""

    def __init__(self, settings: Settings, scratch: Path, lengths_s: Sequence[float]) -> None:
        self._settings = settings
        self._scratch = scratch
        self._lengths_s = lengths_s
        self._clips = Clips(scratch, settings)

    def measure(self, part: Part) -> list[Figure]:
        clips, settings = self._clips, self._settings
        measure: dict[Part, Callable[[], list[Figure]]] = {
            "server": lambda: server_figures(clips, REQUEST_S, settings),
            "lengths": lambda: length_figures(clips, self._lengths_s, settings),
            "clients": lambda: concurrency_figures(clips, settings, self._scratch),
            "graphs": self._graphs,
            "batches": lambda: batch_figures(self._settings.inference),
            "overhead": lambda: self._analyze(overhead_figures, MINUTE_S),
            "stages": lambda: self._analyze(stage_figures, REQUEST_S),
            "tasks": lambda: self._analyze(added_figures, REQUEST_S),
        }
        return measure[part]()

    @cached_property
    def _registry(self) -> BundleRegistry:
        return BundleRegistry(self._settings)

    @property
    def _bundle(self) -> Bundle:
        return self._registry.get()

    def _analyze(self, measure: Callable[..., list[Figure]], length_s: float) -> list[Figure]:
        clip = self._clips.get(length_s)
        return measure(self._bundle, self._settings, clip, content=self._clips.content)

    def _graphs(self) -> list[Figure]:
        figures = graph_figures(self._bundle, self._settings)
        # A bundle that shares graphs with another one was made to be faster.
        for name in {entry.bundle for entry in self._bundle.manifest.files if entry.bundle is not None}:
            figures += compared_figures(self._bundle, self._registry.get(name), self._settings)
        return figures
