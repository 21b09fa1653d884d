"""A service without its HTTP side, and jobs for it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import psutil

from app.api.service import Service, build_service
from app.inference.registry import BundleRegistry
from app.jobs.intake import Files
from app.jobs.record import Job, JobInput, JobRequest, new_job_id
from app.jobs.store import utc_now
from app.settings import Settings

BACKENDS = ("local", "ray")
SLOW = {"fps": 30.0, "formats": ("json", "overlay")}
"""A request that keeps a worker busy for seconds with a clip of half a minute."""
QUICK_S = 10.0
END_S = 240.0


@dataclass(frozen=True, slots=True)
class Site:
    service: Service

    @classmethod
    def start(cls, settings: Settings, *, places: int) -> Site:
        """Start one, and wait until it has as many places for jobs."""
        site = cls(build_service(settings, BundleRegistry(settings)))
        backend = site.service.backend
        backend.start()
        until(lambda: backend.capacity().workers >= places, "workers are missing")
        return site

    def stop(self) -> None:
        """May be called twice."""
        self.service.backend.stop()
        self.service.store.close()

    def submit(self, clip: Path, *, owner: str = "ann", **request: Any) -> str:
        """Bring in a job; returns its id."""
        data = clip.read_bytes()
        job = Job(
            id=new_job_id(),
            owner=owner,
            status="queued",
            request=JobRequest(**{"formats": ("json", "npz"), **request}),
            input=JobInput(len(data), hashlib.sha256(data).hexdigest(), has_separate_audio=False),
            created_at=utc_now(),
        )
        file = self.service.places.uploads / job.id
        file.write_bytes(data)
        self.service.intake.accept(job, Files(file, None), key=None, fingerprint="")
        return job.id

    def job(self, job_id: str) -> Job:
        return self.service.store.get(job_id, owner=None)

    def end_of(self, job_id: str) -> Job:
        """The job once it has ended."""
        until(lambda: self.job(job_id).ended, "the job does not end")
        return self.job(job_id)

    def running(self, job_id: str) -> Job:
        """The job once its clip is analysed."""

        def runs() -> bool:
            job = self.job(job_id)
            assert not job.ended, f"the job has ended: {job}"
            return job.status == "running" and job.progress.stage in ("analyze", "encode")

        until(runs, "the job does not run")
        return self.job(job_id)

    def until_idle(self, *, within_s: float = END_S) -> None:
        """Wait until no job is worked on."""
        until(lambda: self.service.backend.idle, "jobs are still worked on", within_s=within_s)

    def files(self, job: Job) -> dict[str, bytes]:
        """What the job has made."""
        found = {}
        for artifact in job.artifacts:
            with self.service.artifacts.open(job.id, artifact) as stream:
                found[artifact.name] = stream.read()
            assert hashlib.sha256(found[artifact.name]).hexdigest() == artifact.sha256
        return found

    def kept(self, job_id: str) -> set[str]:
        """Which of "input" and "out" lie where the files of the job are kept, once no job is worked on."""
        self.until_idle()
        files, root = self.service.artifacts._fs, self.service.artifacts._root / job_id
        return {PurePosixPath(path).relative_to(root).parts[0] for path in files.find(str(root))}


def until(true: Callable[[], object], otherwise: str, *, within_s: float = END_S) -> None:
    """Wait until that is true."""
    deadline_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline_s, otherwise
        time.sleep(0.02)


def workers() -> list[psutil.Process]:
    """Those of all services."""
    found = psutil.process_iter(["cmdline"])
    return [each for each in found if "ray::ClusterWorker" in " ".join(each.info["cmdline"] or ())]
