"""The workers of the cluster as the API process has them: made, watched, lent out, and ended with it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from app.errors import InvalidRequest, ModelNotReady
from app.jobs.cluster.actor import GROUPS, ClusterWorker
from app.jobs.work import WorkerGone
from app.settings import JobSettings, Settings, WebhookSettings

logger = logging.getLogger(__name__)

ADDRESS_SETTING = "EARSIGHT_JOBS__RAY_ADDRESS"

_NAMESPACE = "earsight"
_RECRUIT_EVERY_S = 5.0
_SILENT_S = 30.0  # after which a worker that does not answer is given up


@dataclass(slots=True, eq=False)
class _Member:
    """Attributes:
    actor: the handle.
    ping: the call that has not been answered yet.
    pinged_s: when it was made, on the monotonic clock.
    ready: whether one was answered.
    lent: whether a job is worked on there.
    """

    actor: Any
    ping: Any
    pinged_s: float = field(default_factory=time.monotonic)
    ready: bool = False
    lent: bool = False


class Pool:
    """Actors that end when this process does, for they are its own. Thread-safe."""

    def __init__(self, settings: Settings, artifacts_url: str) -> None:
        """Connect to the cluster; call it in the main thread, whose signals Ray wants to handle.

        Raises:
            InvalidRequest: Ray is not installed.
            ModelNotReady: the cluster does not answer.
        """
        self._ray = _connected(settings.jobs)
        self._jobs = settings.jobs
        self._arguments = (_for_workers(settings), artifacts_url)
        self._lock = threading.Lock()
        self._members: list[_Member] = []
        self._recruited_s = -float("inf")
        self._failure: str | None = None
        self._closed = False

    @property
    def size(self) -> int:
        """How many workers are ready."""
        return sum(member.ready for member in list(self._members))

    def ailment(self) -> str | None:
        # Workers for which there is no room yet are no ailment: jobs wait for them.
        if self.size or self._failure is None:
            return None
        return f"no worker of the cluster is ready; the last one was lost: {self._failure}"

    def tend(self) -> None:
        """Part with workers that have died, and make those for which there is room. Raises what Ray does."""
        for member in list(self._members):
            self._look_after(member)
        if time.monotonic() - self._recruited_s >= _RECRUIT_EVERY_S:
            self._recruited_s = time.monotonic()
            wanted = self._jobs.ray_workers or self._room()
            while len(self._members) < wanted:
                self._recruit()

    @contextmanager
    def lead(self) -> Iterator[tuple[Any, list[Any]]]:
        """An actor for one job, and all that are ready. Raises WorkerGone if none is free."""
        with self._lock:
            ready = [member for member in self._members if member.ready]
            member = next((member for member in ready if not member.lent), None)
            if member is None:
                raise WorkerGone
            member.lent = True
            self._members.remove(member)
            self._members.append(member)  # next time it is another one's turn
        try:
            yield member.actor, [each.actor for each in ready]
        finally:
            member.lent = False

    def discard(self, actor: Any) -> None:
        """End a worker that does not do what it is told."""
        with self._lock:
            self._members = [member for member in self._members if member.actor is not actor]
        with suppress(Exception):
            self._ray.kill(actor)

    def close(self) -> None:
        """End all workers and leave the cluster. Blocks; may be called twice."""
        if self._closed:
            return
        self._closed = True
        for member in list(self._members):
            self.discard(member.actor)
        self._ray.shutdown()

    def _look_after(self, member: _Member) -> None:
        now_s = time.monotonic()
        done, _ = self._ray.wait([member.ping], timeout=0)
        if not done:
            if member.ready and now_s - member.pinged_s > _SILENT_S:
                self._lose(member, "it does not answer")
            return
        try:
            self._ray.get(member.ping)
        except Exception as error:  # of Ray's, or whatever its start has raised
            self._lose(member, str(error).strip().splitlines()[-1])
            return
        if not member.ready:
            logger.info("worker_ready", extra={"workers": self.size + 1})
        member.ready, member.pinged_s = True, now_s
        member.ping = _ping(member.actor)

    def _lose(self, member: _Member, reason: str) -> None:
        logger.warning("worker_lost", extra={"detail": reason})
        self._failure = reason
        self.discard(member.actor)

    def _room(self) -> int:
        """How many workers fit the nodes."""
        needs = {"CPU": float(self._jobs.ray_cores), "GPU": self._jobs.ray_gpus}
        return sum(
            min(int(node["Resources"].get(kind, 0.0) / need) for kind, need in needs.items() if need)
            for node in self._ray.nodes()
            if node["Alive"]
        )

    def _recruit(self) -> None:
        actor = (
            self._ray.remote(concurrency_groups=GROUPS)(ClusterWorker)
            .options(
                num_cpus=self._jobs.ray_cores,
                num_gpus=self._jobs.ray_gpus,
                scheduling_strategy="SPREAD",
            )
            .remote(*self._arguments)
        )
        with self._lock:
            self._members.append(_Member(actor, _ping(actor)))


def _ping(actor: Any) -> Any:
    return actor.ping.options(concurrency_group="control").remote()


def _connected(settings: JobSettings) -> Any:
    try:
        import ray
    except ImportError as error:
        raise InvalidRequest(
            "jobs are to run on Ray, but it is not installed; install 'earsight[cluster]'",
            setting="EARSIGHT_JOBS__BACKEND",
        ) from error
    address = settings.ray_address or "auto"
    try:
        ray.init(address=address, namespace=_NAMESPACE, configure_logging=False, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ModelNotReady(
            f"no Ray cluster answers at {address}: {error}", setting=ADDRESS_SETTING
        ) from error
    return ray


def _for_workers(settings: Settings) -> Settings:
    """What workers need to know: no passwords, and how many cores are theirs."""
    threads = settings.inference.threads or settings.jobs.ray_cores
    return settings.model_copy(
        update={
            "jobs": settings.jobs.model_copy(update={"database_url": None}),
            "webhooks": WebhookSettings(),
            "inference": settings.inference.model_copy(update={"threads": threads}),
        }
    )
