"""Jobs as a request finds them, now or a little later. The store is asked again and again, the less often the
longer nothing happens."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

import anyio.to_thread
from fastapi import Request

from app.api.auth import identity_of
from app.api.service import Service, service_of
from app.errors import NotFound
from app.jobs.record import Job
from app.telemetry.logging import job_id_var

_JOB_ID = re.compile(r"job_[0-9A-HJKMNP-TV-Z]{26}")
_SHORTEST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 1.0


def viewer_of(request: Request) -> str | None:
    """Whose jobs the sender of a request may see; None if all."""
    identity = identity_of(request)
    return None if identity.may("admin") else identity.label


def check_job_id(job_id: str) -> None:
    """Keeps odd text away from the store and the log, which names the job from here on. Raises NotFound."""
    if not _JOB_ID.fullmatch(job_id):
        raise NotFound("there is no such job")
    job_id_var.set(job_id)


async def find_job(request: Request, job_id: str) -> Job:
    """Raises NotFound, also for the jobs of others, and StoreUnavailable."""
    check_job_id(job_id)
    store, viewer = service_of(request.app).store, viewer_of(request)
    return await anyio.to_thread.run_sync(lambda: store.get(job_id, owner=viewer))


async def wait_for_end(service: Service, job: Job, *, wait_s: float) -> Job:
    """The job once it has ended, or as it is after `wait_s`, or when the service begins to shut down."""
    watch = Quiet()
    while not job.ended and not service.gate.draining and watch.quiet_s < wait_s:
        await watch.pause(most_s=wait_s - watch.quiet_s)
        job = await anyio.to_thread.run_sync(_reader(service, job.id))
    return job


class Quiet:
    """Makes the pauses between two looks at the store."""

    def __init__(self) -> None:
        self._since_s = time.monotonic()

    @property
    def quiet_s(self) -> float:
        """For how long nothing has happened."""
        return time.monotonic() - self._since_s

    def end(self) -> None:
        """Something has happened."""
        self._since_s = time.monotonic()

    async def pause(self, *, most_s: float = _LONGEST_PAUSE_S) -> None:
        await asyncio.sleep(
            max(0.0, min(most_s, _LONGEST_PAUSE_S, max(_SHORTEST_PAUSE_S, self.quiet_s / 10)))
        )


def _reader(service: Service, job_id: str) -> Callable[[], Job]:
    return lambda: service.store.get(job_id, owner=None)
