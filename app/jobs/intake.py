"""The way of a job into the store and out of it again. All of this blocks: call it in worker threads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.errors import (
    EarsightError,
    IdempotencyInProgress,
    IdempotencyMismatch,
    StoreUnavailable,
)
from app.jobs.artifacts import ArtifactStore
from app.jobs.backend import JobBackend
from app.jobs.record import Job
from app.jobs.store import Bounds, IdempotencyKey, JobStore, utc_now
from app.settings import JobSettings
from app.telemetry.logging import log_ids
from app.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Files:
    """What was uploaded, somewhere on a disk."""

    file: Path
    audio: Path | None


class Intake:
    """Accepts jobs, and ends and removes them, with all that has to happen in files, store and backend."""

    def __init__(
        self,
        *,
        settings: JobSettings,
        store: JobStore,
        artifacts: ArtifactStore,
        backend: JobBackend,
        metrics: Metrics,
        webhook_body: Callable[[Job], str],
    ) -> None:
        self._settings = settings
        self._store = store
        self._artifacts = artifacts
        self._backend = backend
        self._metrics = metrics
        self._webhook_body = webhook_body
        self._bounds = Bounds(settings.max_queued, settings.max_queued_per_key)
        self._lock = threading.Lock()
        self._keys: set[tuple[str, str]] = set()

    @contextmanager
    def using(self, owner: str, key: str | None) -> Iterator[None]:
        """Hold an idempotency key, if there is one, while a job is brought in. It does not block.

        Raises IdempotencyInProgress when another request of this process holds it.
        """
        if key is None:
            yield
            return
        held = owner, key
        with self._lock:
            if held in self._keys:
                raise IdempotencyInProgress("a request with this Idempotency-Key is still under way")
            self._keys.add(held)
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard(held)

    def check_room(self, owner: str, key: str | None) -> None:
        """Ask this before the upload; what is known by its key already needs no room.

        Raises Overloaded, RateLimited and StoreUnavailable like `accept`.
        """
        if key is not None and self._store.remembered(owner, key) is not None:
            return
        self._store.check_room(owner, bounds=self._bounds)

    def accept(self, job: Job, files: Files, *, key: str | None, fingerprint: str) -> Job:
        """Keep the files of a job and write it down; or find the one that the key stands for.

        Returns:
            The job as it is in the store. Its id is another one if it was accepted before.

        Raises:
            IdempotencyMismatch: the key was used for a job with another fingerprint.
            Overloaded, RateLimited: too many jobs are waiting.
            NoSpace, StoreUnavailable: the job could not be kept. Then nothing of it is left.
        """
        if key is not None:
            earlier = self._earlier(job.owner, key, fingerprint)
            if earlier is not None:
                return earlier
        try:
            self._artifacts.keep_input(job.id, files.file, files.audio)
            accepted = self._add(job, key, fingerprint)
        except BaseException:
            self._remove_files(job.id)
            raise
        if accepted.id == job.id:
            with log_ids(request_id=job.request_id, job_id=job.id):
                logger.info("job_accepted", extra={"bytes": job.input.size_bytes})
            self._backend.submit(job.id)
        else:
            self._remove_files(job.id)
        return accepted

    def cancel(self, job_id: str, *, owner: str | None) -> Job:
        """Ask for the end of a job; one that waits ends at once. Raises NotFound or StoreUnavailable."""
        before = self._store.get(job_id, owner=owner)
        job = self._store.request_cancel(
            job_id, owner=owner, keep_s=self._settings.keep_s, webhook_body=self._webhook_body
        )
        self._backend.cancel(job_id)
        if before.status == "queued" and job.status == "canceled":  # else whoever works on it counts it
            self._count_canceled("job_ended", job)
        if job.status == "canceled":
            self._remove_files(job_id)
        return job

    def delete(self, job_id: str, *, owner: str | None) -> None:
        """End a job if it runs and remove all that is known of it. Raises NotFound or StoreUnavailable."""
        job = self._store.delete(job_id, owner=owner)
        self._backend.cancel(job_id)
        self._remove_files(job_id)
        if job.ended:
            with log_ids(request_id=job.request_id, job_id=job.id):
                logger.info("job_deleted", extra={"status": job.status})
        else:
            self._count_canceled("job_deleted", job)

    def _count_canceled(self, event: str, job: Job) -> None:
        """Tell of the end of a job that nobody works on, or that nobody will hear of any more."""
        self._metrics.count_job("canceled", None)
        ms = round((utc_now() - job.created_at).total_seconds() * 1000, 1)
        with log_ids(request_id=job.request_id, job_id=job.id):
            logger.info(event, extra={"status": "canceled", "attempt": job.attempt, "ms": ms})

    def _remove_files(self, job_id: str) -> None:
        try:
            self._artifacts.remove(job_id)
        except EarsightError as error:  # the sweep will do it
            logger.warning("cleanup_failed", extra={"job_id": job_id, "code": error.code})

    def _earlier(self, owner: str, key: str, fingerprint: str) -> Job | None:
        found = self._store.remembered(owner, key)
        if found is None:
            return None
        known, job_id = found
        if known != fingerprint:
            raise IdempotencyMismatch(
                "this Idempotency-Key came with other files or options before; take a new one for new work"
            )
        return self._store.get(job_id, owner=owner)

    def _add(self, job: Job, key: str | None, fingerprint: str) -> Job:
        remembered = None
        if key is not None:
            remembered = IdempotencyKey(job.owner, key, fingerprint, self._settings.idempotency_s)
        try:
            return self._store.add(job, bounds=self._bounds, key=remembered)
        except StoreUnavailable:
            if self._store.known([job.id]):  # it was written, and only the answer to that got lost
                return job
            raise
