"""The work on a job, from its input to its files, wherever that is done."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from app.errors import Canceled
from app.inference.bundle import Bundle
from app.inference.registry import BundleRegistry
from app.jobs.analyst import Analyst, Order
from app.jobs.artifacts import ArtifactStore
from app.jobs.record import Artifact, Job, Progress
from app.jobs.transitions import Outcome
from app.media import spool
from app.media.clip import SourceInfo
from app.pipeline.options import AnalyzeOptions, sampling_fps
from app.pipeline.options import Progress as Analyzed
from app.pipeline.parts import Crew
from app.results.formats import FORMATS, Format
from app.results.model import Result
from app.settings import Settings

_NOTE_EVERY_S = 0.5


class Desk(Protocol):
    """Hears how the work on a job gets on. What its methods raise ends the work."""

    def note(self, progress: Progress) -> None:
        """How far it is."""

    def begin(self, facts: dict[str, Any], model: dict[str, str], n_frames: int) -> None:
        """The clip is open, and about so many frames are to be analysed."""

    def append(self, *lines: bytes) -> None:
        """Further lines of the result."""

    def partial(self, time_s: float) -> None:
        """The lines have come so far."""

    def end_lines(self) -> None:
        """No line will follow."""


class Worker(Protocol):
    """Works on jobs."""

    def work(self, job: Job, desk: Desk, cancel: threading.Event) -> Outcome:
        """Work on a job until it has succeeded; `cancel` ends that within a second.

        Raises Canceled, what the desk raises, any other EarsightError, OSError, and WorkerGone.
        """


class WorkerGone(Exception):
    """No error of the job: whoever worked on it has vanished."""


@dataclass(frozen=True, slots=True)
class LocalWorker:
    """A `Worker` in this process.

    Attributes:
        crew_of: finds help with a long clip.
    """

    settings: Settings
    artifacts: ArtifactStore
    registry: BundleRegistry
    analyst: Analyst
    crew_of: Callable[[], AbstractContextManager[Crew | None]] = nullcontext

    def work(self, job: Job, desk: Desk, cancel: threading.Event) -> Outcome:
        with spool.scratch(self.settings.scratch_dir) as scratch:
            desk.note(Progress("probe"))
            source, audio = self.artifacts.local_input(job.id, scratch)
            bundle = self.registry.get(job.request.model)
            request = job.request
            options = AnalyzeOptions(
                fps=request.fps,
                tasks=request.tasks or bundle.manifest.tasks,
                target=request.target,
                group_by=request.group_by,
            )
            order = Order(source, audio, bundle, options, job.owner, job.id)
            work = _Work(self, job, order, desk, cancel, scratch)
            try:
                result = work.analyze()
            finally:
                desk.end_lines()
            return Outcome("succeeded", artifacts=work.write(result), model=model_fields(bundle))


@dataclass(frozen=True, slots=True)
class _Work:
    worker: LocalWorker
    job: Job
    order: Order
    desk: Desk
    cancel: threading.Event
    scratch: Path

    def analyze(self) -> Result:
        order, desk = self.order, self.desk
        settings, manifest = self.worker.settings, order.bundle.manifest
        fps = sampling_fps(order.options, settings=settings, manifest=manifest)
        told_s = 0.0
        n_total = 1

        def begin(source: SourceInfo) -> None:
            nonlocal n_total
            n_total = max(1, round(source.duration_s * fps))
            desk.begin(source_facts(source), model_fields(order.bundle), n_total)

        def go_on(progress: Analyzed) -> None:
            nonlocal told_s
            if time.monotonic() - told_s < _NOTE_EVERY_S:
                return
            told_s = time.monotonic()
            fraction = progress.time_s / progress.duration_s if progress.duration_s else 1.0
            desk.note(Progress("analyze", min(1.0, fraction), progress.frames_done, n_total))
            desk.partial(progress.time_s)

        with self.worker.crew_of() as crew:
            return self.worker.analyst.analyze(
                order, self.cancel, lines=desk, on_source=begin, progress=go_on, crew=crew
            )

    def write(self, result: Result) -> tuple[Artifact, ...]:
        formats = [FORMATS[name] for name in self.job.request.formats]
        n_frames = len(result.frames)
        made = []
        for done, entry in enumerate(formats):
            told_s = 0.0

            def go_on(fraction: float, done: int = done) -> None:
                nonlocal told_s
                if time.monotonic() - told_s < _NOTE_EVERY_S:
                    return
                told_s = time.monotonic()
                self.desk.note(Progress("encode", (done + fraction) / len(formats), n_frames, n_frames))

            path = self.scratch / entry.file_name
            self.worker.analyst.write(
                result, path, entry, order=self.order, cancel=self.cancel, progress=go_on
            )
            artifact = _artifact(entry, path)
            if self.cancel.is_set():
                raise Canceled("the job was stopped")
            self.worker.artifacts.put(self.job.id, artifact, path)
            made.append(artifact)
        return tuple(made)


def source_facts(source: SourceInfo) -> dict[str, Any]:
    """What a job tells about its clip once a worker has opened it."""
    return {
        "duration_s": source.duration_s,
        "width": source.width,
        "height": source.height,
        "fps": source.fps,
        "has_audio": source.has_audio,
    }


def model_fields(bundle: Bundle) -> dict[str, str]:
    """What a job tells about the bundle that answered."""
    info = bundle.info
    return {"name": info.name, "version": info.version, "sha256": info.sha256, "provider": info.provider}


def _artifact(entry: Format, path: Path) -> Artifact:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Artifact(entry.file_name, entry.media_type, path.stat().st_size, digest)
