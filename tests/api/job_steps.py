"""What tests do with jobs again and again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from app.settings import JobSettings, Settings

HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}


def upload(path: Path, name: str = "file") -> dict[str, Any]:
    return {name: (path.name, path.read_bytes())}


async def submit(client: httpx.AsyncClient, clip: Path, **arguments: Any) -> dict[str, Any]:
    """The document of a new job."""
    response = await client.post("/v1/jobs", files=upload(clip), **arguments)
    assert response.status_code == 202, response.text
    return response.json()


async def ended(client: httpx.AsyncClient, job: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    """The document of a job that has ended."""
    response = await client.get(f"{job['links']['self']}?wait=20", **arguments)
    document = response.json()
    assert document["status"] not in ("queued", "running"), document
    return document


async def finished(client: httpx.AsyncClient, clip: Path, **options: str) -> dict[str, Any]:
    """The document of a new job with these options, once it has ended."""
    return await ended(client, await submit(client, clip, data=options))


def jobs_with(settings: Settings, **changes: Any) -> Settings:
    """The settings with other ones for jobs, in the same directory."""
    jobs = JobSettings(directory=settings.jobs.directory, **changes)
    return settings.model_copy(update={"jobs": jobs})


class Hold:
    """Stands in for the analyses of a server: each begins and waits until it is let go or canceled."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.release = threading.Event()

    def analyze(self, analyst: Any, order: Any, cancel: threading.Event, **hooks: Any) -> Any:
        self.begun.release()
        while not self.release.wait(0.02):
            if cancel.is_set():
                break
        return self.original(analyst, order, cancel, **hooks)

    @contextmanager
    def installed(self, monkeypatch: Any) -> Iterator[Hold]:
        from app.jobs.analyst import Analyst

        self.original = Analyst.analyze
        hold = self
        with monkeypatch.context() as patch:
            patch.setattr(
                Analyst, "analyze", lambda analyst, *args, **hooks: hold.analyze(analyst, *args, **hooks)
            )
            try:
                yield self
            finally:
                self.release.set()
