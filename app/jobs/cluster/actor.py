"""What runs in the cluster: one Ray actor for each slot, with its bundles loaded.

Ray calls the methods, each in a thread of its group: an actor works on one job and looks at one part of a
clip at a time, its own job's or another's, and can still be told to stop.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from app.errors import EarsightError, InternalError
from app.inference.registry import BundleRegistry
from app.inference.turns import Turns
from app.jobs.analyst import Analyst
from app.jobs.artifacts import ArtifactStore
from app.jobs.cluster.crew import recruited
from app.jobs.disk import disk_error
from app.jobs.record import Job, Progress
from app.jobs.transitions import Outcome
from app.jobs.work import LocalWorker
from app.media import spool
from app.pipeline.parts import PartAnswer, PartOrder, look_at_part
from app.settings import Settings
from app.telemetry.logging import configure_logging, log_ids
from app.telemetry.metrics import Metrics
from app.telemetry.tracing import NoTracing

logger = logging.getLogger(__name__)

GROUPS = {"work": 1, "look": 1, "control": 1}
"""Ray's concurrency groups, and how many calls of each run at a time."""

_MOST_RUNS = 1024
_MOST_INPUTS = 4  # for each is as large as an upload

Report = tuple[str, tuple[Any, ...]]
"""A method of `Desk` that is to be called, and with what."""


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt to work on a job. Attributes: id: of this attempt."""

    id: str
    job: Job


class ClusterWorker:
    """The actor."""

    def __init__(self, settings: Settings, artifacts_url: str) -> None:
        """Load the default bundle. Raises NotFound, BundleError, ModelNotReady and InvalidRequest."""
        configure_logging(settings.telemetry)
        import ray

        spool.sweep(settings.scratch_dir)
        self._node = ray.get_runtime_context().get_node_id()
        self._settings = settings
        self._artifacts = ArtifactStore(artifacts_url)
        self._registry = BundleRegistry(settings)
        self._registry.get()
        self._turns = Turns()
        self._metrics = Metrics()
        self._stops = _Stops()
        self._inputs = _Inputs(self._artifacts, settings.scratch_dir)

    def ping(self) -> None:
        """Answer, once the actor is ready."""

    def work(self, run: Run, peers: list[Any]) -> Iterator[Report | Outcome | EarsightError]:
        """Work on a job. What comes last is how it ended.

        Args:
            peers: actors that may look at parts, this one among them.
        """
        told: queue.SimpleQueue[Report | Outcome | EarsightError] = queue.SimpleQueue()
        thread = threading.Thread(target=lambda: told.put(self._work(run, peers, _Telephone(told))))
        thread.start()
        while True:
            each = told.get()
            yield each
            if isinstance(each, Outcome | EarsightError):
                thread.join()
                return

    def look(self, run: Run, order: PartOrder) -> PartAnswer | None:
        """Look at a part of the clip of a job, as `look_at_part` does."""
        job, cancel = run.job, self._stops.of(run.id)
        with log_ids(request_id=job.request_id, job_id=job.id):
            bundle = self._registry.get(job.request.model)
            answer = look_at_part(
                self._inputs.of(job.id),
                order,
                bundle=bundle,
                settings=self._settings,
                turn=partial(self._turns.turn, job.owner, f"{job.id}/look", cancel),
                cancel=cancel,
            )
            logger.info("part_done", extra={"node": self._node, **asdict(order.part)})
            return answer

    def stop(self, run_id: str) -> None:
        """Have the work on a job, and looks at its parts, end within a second, also those that come later."""
        self._stops.of(run_id).set()

    def forget(self, job_id: str) -> None:
        """Remove what looks at the parts of a job have left here."""
        self._inputs.forget(job_id)

    def _work(self, run: Run, peers: list[Any], desk: _Telephone) -> Outcome | EarsightError:
        cancel = self._stops.of(run.id)
        worker = LocalWorker(
            settings=self._settings,
            artifacts=self._artifacts,
            registry=self._registry,
            analyst=Analyst(
                settings=self._settings,
                metrics=self._metrics,
                tracing=NoTracing(),
                turns=self._turns,
                on_work=lambda _bundle: None,
            ),
            crew_of=lambda: recruited(peers, run, cancel, part_s=self._settings.jobs.ray_part_s),
        )
        with log_ids(request_id=run.job.request_id, job_id=run.job.id):
            logger.info("work_begun", extra={"node": self._node, "peers": len(peers)})
            try:
                return worker.work(run.job, desk, cancel)
            except EarsightError as error:
                return error
            except OSError as error:
                logger.warning("disk_failed", exc_info=error)
                return disk_error(error)
            except Exception:
                logger.exception("job_failed")
                return InternalError("unexpected; the log of the worker has the cause")


@dataclass(frozen=True, slots=True)
class _Telephone:
    """A desk elsewhere."""

    told: queue.SimpleQueue[Any]

    def note(self, progress: Progress) -> None:
        self.told.put(("note", (progress,)))

    def begin(self, facts: dict[str, Any], model: dict[str, str], n_frames: int) -> None:
        self.told.put(("begin", (facts, model, n_frames)))

    def append(self, *lines: bytes) -> None:
        self.told.put(("append", lines))

    def partial(self, time_s: float) -> None:
        self.told.put(("partial", (time_s,)))

    def end_lines(self) -> None:
        self.told.put(("end_lines", ()))


class _Stops:
    """An event for each run that was heard of lately; setting it ends the run."""

    def __init__(self) -> None:
        self._events: OrderedDict[str, threading.Event] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, run_id: str) -> threading.Event:
        with self._lock:
            event = self._events.setdefault(run_id, threading.Event())
            self._events.move_to_end(run_id)
            if len(self._events) > _MOST_RUNS:
                self._events.popitem(last=False)
            return event


class _Inputs:
    """The clips of the jobs whose parts were looked at here last, as local files."""

    def __init__(self, artifacts: ArtifactStore, scratch_dir: Path | None) -> None:
        self._artifacts = artifacts
        self._scratch_dir = scratch_dir
        self._held: OrderedDict[str, tuple[Path, ExitStack]] = OrderedDict()

    def of(self, job_id: str) -> Path:
        """Raises NotFound, StoreUnavailable, NoSpace and OSError."""
        if job_id not in self._held:
            if len(self._held) == _MOST_INPUTS:
                self.forget(next(iter(self._held)))
            with ExitStack() as stack:
                scratch = stack.enter_context(spool.scratch(self._scratch_dir))
                path, _ = self._artifacts.local_input(job_id, scratch)
                self._held[job_id] = path, stack.pop_all()
        self._held.move_to_end(job_id)
        return self._held[job_id][0]

    def forget(self, job_id: str) -> None:
        if job_id in self._held:
            _, stack = self._held.pop(job_id)
            stack.close()
