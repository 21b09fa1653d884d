"""What nobody asks for but time: lost leases, old results, and files without a job."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection

from app.errors import EarsightError, NotFound
from app.jobs.artifacts import ArtifactStore
from app.jobs.record import Job
from app.jobs.store import JobStore
from app.settings import JobSettings
from app.telemetry.logging import log_ids
from app.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_EXPIRE_EVERY_S = 30.0
_ORPHAN_S = 60.0  # an upload becomes a job within this time, if it ever does


class Sweeper:
    """Tidies up. Several processes may do so at the same time."""

    def __init__(
        self,
        *,
        settings: JobSettings,
        store: JobStore,
        artifacts: ArtifactStore,
        metrics: Metrics,
        webhook_body: Callable[[Job], str],
    ) -> None:
        self._settings = settings
        self._store = store
        self._artifacts = artifacts
        self._metrics = metrics
        self._webhook_body = webhook_body
        self._recovered_s = self._expired_s = -float("inf")
        self._suspects: dict[str, float] = {}
        self._begun = False

    def sweep(self, *, here: Collection[str]) -> int:
        """Do what is due; returns how many jobs are waiting again. Raises StoreUnavailable.

        Args:
            here: the jobs that this process works on. Their leases cannot be lost, whatever the clock says.
        """
        if not self._begun:
            self._remove_rests()
            self._begun = True
        now_s = time.monotonic()
        again = 0
        if now_s - self._recovered_s >= self._settings.lease_s / 3:
            again = self._recover(here)
            self._recovered_s = now_s
        if now_s - self._expired_s >= min(_EXPIRE_EVERY_S, self._settings.keep_s):
            self._expire()
            self._remove_orphans()
            self._expired_s = now_s
        return again

    def _recover(self, here: Collection[str]) -> int:
        jobs = self._store.recover(
            lease_s=self._settings.lease_s,
            max_attempts=self._settings.max_attempts,
            here=here,
            keep_s=self._settings.keep_s,
            webhook_body=self._webhook_body,
        )
        for job in jobs:
            code = (job.error or {}).get("code")
            with log_ids(request_id=job.request_id, job_id=job.id):
                fields = {"status": job.status, "attempt": job.attempt, "code": code}
                logger.warning("job_recovered", extra=fields)
            if job.ended:
                self._metrics.count_job(job.status, code)
                self._clear(job)
        return sum(not job.ended for job in jobs)

    def _expire(self) -> None:
        for job in self._store.expire(forget_s=self._settings.forget_s):
            with log_ids(request_id=job.request_id, job_id=job.id):
                logger.info("job_expired")
            self._try(job.id, self._artifacts.remove)

    def _remove_orphans(self) -> None:
        """Remove the files of uploads that never became jobs, and of jobs that were deleted half way.

        No wall clock is asked: those of two servers may differ, and one may be set while an upload comes in.
        """
        found, now_s = list(self._artifacts.job_ids()), time.monotonic()
        known = self._store.known(found)
        self._suspects = {
            job_id: self._suspects.get(job_id, now_s) for job_id in found if job_id not in known
        }
        for job_id, since_s in self._suspects.items():
            if now_s - since_s >= _ORPHAN_S:
                logger.info("orphan_removed", extra={"job_id": job_id})
                self._try(job_id, self._artifacts.remove)

    def _remove_rests(self) -> None:
        """Remove what a process left that died between the end of a job and the removal of its input."""
        for job_id in self._artifacts.input_ids():
            try:
                job = self._store.get(job_id, owner=None)
            except NotFound:
                continue
            if job.ended:
                self._clear(job)

    def _clear(self, job: Job) -> None:
        """Remove the files that a job which has ended has no more use for."""
        succeeded = job.status == "succeeded"
        self._try(job.id, self._artifacts.drop_input if succeeded else self._artifacts.remove)

    def _try(self, job_id: str, remove: Callable[[str], None]) -> None:
        try:
            remove(job_id)
        except EarsightError as error:  # it goes when the job expires
            logger.warning("cleanup_failed", extra={"job_id": job_id, "code": error.code})
