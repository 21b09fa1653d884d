"""Where the jobs of a server are kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_state_path

from app.errors import InvalidRequest
from app.settings import JobSettings

DIRECTORY_SETTING = "EARSIGHT_JOBS__DIRECTORY"


@dataclass(frozen=True, slots=True)
class Places:
    """Attributes:
    directory: private to the server; holds all that the URLs do not place elsewhere.
    database_url: SQLAlchemy's, of the store.
    artifacts_url: a path, or fsspec's URL, of inputs and results.
    uploads: where uploads are received, on the disk of the artifacts unless those are elsewhere.
    """

    directory: Path
    database_url: str
    artifacts_url: str
    uploads: Path


def prepare_places(settings: JobSettings) -> Places:
    """Find the places and make the directory. Raises InvalidRequest if it cannot be written to."""
    directory = settings.directory or user_state_path("earsight") / "jobs"
    directory = directory.expanduser().absolute()
    uploads = directory / "uploads"
    try:
        for path in (directory, uploads):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(None, "it cannot be written to")
    except OSError as error:
        raise InvalidRequest(
            f"the directory for jobs, {directory}, cannot be used: {error.strerror}; name another one",
            setting=DIRECTORY_SETTING,
        ) from error
    url = settings.database_url
    return Places(
        directory=directory,
        database_url=f"sqlite:///{directory / 'jobs.sqlite3'}" if url is None else url.get_secret_value(),
        artifacts_url=settings.artifacts_url or str(directory / "artifacts"),
        uploads=uploads,
    )
