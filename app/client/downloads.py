"""A file that comes in pieces, whatever happens on the way."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from app.client.documents import JobArtifact, JobDocument
from app.client.errors import DownloadCorrupt, EarsightClientError, Unreachable

_MAX_FRUITLESS = 5


def find_artifact(job: JobDocument, name: str) -> JobArtifact:
    """Raises EarsightClientError when the job has no such artifact."""
    for artifact in job.artifacts:
        if artifact.name == name:
            return artifact
    names = ", ".join(artifact.name for artifact in job.artifacts) or "none"
    raise EarsightClientError(f"{job.id} has no artifact {name}; there are: {names}")


class Download:
    """What is here of an artifact, in a hidden file beside its final place, and how to ask for the rest.

    The hidden file bears the hash of the artifact, so a later call, also of another process, goes on with it.

    Args:
        path: where the file shall lie in the end, or a directory for it.
    """

    def __init__(self, artifact: JobArtifact, path: Path) -> None:
        self._artifact = artifact
        self._path = path / artifact.name if path.is_dir() else path
        self._part = self._path.with_name(f".{self._path.name}.{artifact.sha256[:16]}.part")
        self._fruitless = 0
        self._asked_from = -1

    def __enter__(self) -> Self:
        self._stream = self._part.open("ab")
        if self._stream.tell() > self._artifact.bytes:
            self._restart()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    @property
    def complete(self) -> bool:
        return self._stream.tell() >= self._artifact.bytes

    def ask(self) -> dict[str, str]:
        """Headers of the request for the rest; without If-Range a file made anew would be taken for the old.

        Raises Unreachable when several requests in a row brought nothing.
        """
        self._fruitless = self._fruitless + 1 if self._stream.tell() == self._asked_from else 0
        if self._fruitless > _MAX_FRUITLESS:
            raise Unreachable(f"{self._artifact.name}: connections break before anything comes")
        self._asked_from = self._stream.tell()
        headers = {"Accept-Encoding": "identity"}
        if self._asked_from:
            headers |= {"Range": f"bytes={self._asked_from}-", "If-Range": f'"{self._artifact.sha256}"'}
        return headers

    def begin(self, answer: httpx.Response) -> None:
        """Look where the answer begins: a server may send all instead of the rest."""
        if answer.status_code != httpx.codes.PARTIAL_CONTENT:
            self._restart()

    def write(self, block: bytes) -> None:
        self._stream.write(block)

    def finish(self) -> Path:
        """Check the file and put it in its place. Raises DownloadCorrupt."""
        self._stream.close()
        with self._part.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != self._artifact.sha256:
            self._part.unlink()
            raise DownloadCorrupt(f"{self._artifact.name}: SHA-256 is {found}, not {self._artifact.sha256}")
        self._part.replace(self._path)
        return self._path

    def _restart(self) -> None:
        self._stream.seek(0)
        self._stream.truncate()
