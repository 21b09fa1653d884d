"""The files of the jobs: what was uploaded and what was made of it."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from app.errors import EarsightError, InvalidRequest, NotFound, StoreUnavailable
from app.jobs.disk import disk_error
from app.jobs.record import PREFIX, Artifact
from app.results.formats import FORMATS
from app.results.replacing import replacing

URL_SETTING = "EARSIGHT_JOBS__ARTIFACTS_URL"

_JOB_ID = re.compile(re.escape(PREFIX) + "[0-9A-HJKMNP-TV-Z]{26}")
_SHA256 = re.compile("[0-9a-f]{64}")
_FILE_NAMES = frozenset(entry.file_name for entry in FORMATS.values())


class ArtifactStore:
    """Files under `<root>/<job id>/input/{file,audio}` and `<root>/<job id>/out/<sha256>-<name>`.

    The hash keeps a worker that lost its lease and goes on unaware from replacing what the next one made.

    A file is there completely or not at all, and on a local disk it is safe from a power failure once the
    method that stored it returns. No name reaches a path unless it is a job id or a file name of `FORMATS`.

    All methods block and may be called from any thread. They raise NoSpace when the disk is full,
    StoreUnavailable when it cannot be used for another reason, and NotFound for anything that is not there.
    """

    def __init__(self, url: str) -> None:
        """Make the root if it is missing.

        Args:
            url: a directory, or any fsspec URL; its file system may need a package of its own.

        Raises:
            InvalidRequest: nothing that is installed can serve the URL.
        """
        try:
            # Listings are not cached: other processes change them.
            self._fs, root = url_to_fs(url, use_listings_cache=False)
        except ImportError as error:
            raise InvalidRequest(
                f"the place for artifacts needs another package: {error}", setting=URL_SETTING
            ) from error
        except ValueError:  # which may quote a password in the URL
            raise InvalidRequest("the place for artifacts is no URL of fsspec", setting=URL_SETTING) from None
        self._root = PurePosixPath(root)
        self._local = isinstance(self._fs, LocalFileSystem)
        if self._local:
            with _faults():
                Path(root).mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep_input(self, job_id: str, file: Path, audio: Path | None) -> None:
        """Take the uploaded files over; they are gone from where they were.

        If the second one fails, the first one is kept until `remove`.
        """
        directory = self._job(job_id) / "input"
        self._store(file, directory / "file")
        if audio is not None:
            self._store(audio, directory / "audio")

    def local_input(self, job_id: str, scratch: Path) -> tuple[Path, Path | None]:
        """The clip, and its separate sound file if there is one, as local files that are not to be changed.

        Args:
            scratch: an empty directory, for copies of what lies elsewhere.
        """
        directory = self._job(job_id) / "input"
        file = self._fetch(directory / "file", scratch)
        if file is None:
            raise NotFound("the input of the job is gone")
        return file, self._fetch(directory / "audio", scratch)

    def put(self, job_id: str, artifact: Artifact, path: Path) -> None:
        """Take over a file that the job made."""
        self._store(path, self._artifact(job_id, artifact))

    def open(self, job_id: str, artifact: Artifact) -> BinaryIO:
        """An artifact as a seekable stream. Reading from it may raise what its file system raises."""
        with _faults(missing="there is no such artifact"):
            return cast(BinaryIO, self._fs.open(str(self._artifact(job_id, artifact)), "rb"))

    def drop_input(self, job_id: str) -> None:
        """Remove what was uploaded, if it is there."""
        self._remove(self._job(job_id) / "input")

    def remove(self, job_id: str) -> None:
        """Remove all files of a job, if there are any."""
        self._remove(self._job(job_id))

    def job_ids(self) -> Iterator[str]:
        """The jobs that have files. What else lies in the root is passed over."""
        with _faults():
            try:
                names = [PurePosixPath(path).name for path in self._fs.ls(str(self._root), detail=False)]
            except FileNotFoundError:  # no file was ever kept
                names = []
        return (name for name in names if _JOB_ID.fullmatch(name))

    def input_ids(self) -> Iterator[str]:
        """The jobs whose upload is there."""
        with _faults():
            inputs = self._fs.glob(str(self._root / "*" / "input"))
        names = (PurePosixPath(path).parent.name for path in inputs)
        return (name for name in names if _JOB_ID.fullmatch(name))

    def _job(self, job_id: str) -> PurePosixPath:
        if not _JOB_ID.fullmatch(job_id):
            raise NotFound("there is no such job")
        return self._root / job_id

    def _artifact(self, job_id: str, artifact: Artifact) -> PurePosixPath:
        if artifact.name not in _FILE_NAMES or not _SHA256.fullmatch(artifact.sha256):
            raise NotFound("there is no such artifact")
        return self._job(job_id) / "out" / f"{artifact.sha256}-{artifact.name}"

    def _store(self, source: Path, target: PurePosixPath) -> None:
        with _faults():
            if self._local:
                _move(source, Path(target), root=Path(self._root))
            else:
                self._upload(source, target)
                source.unlink()

    def _upload(self, source: Path, target: PurePosixPath) -> None:
        # Not every file system hides a file until it is complete, so it gets its name at the end.
        part = str(target.with_name(f".{target.name}.{os.urandom(6).hex()}.part"))
        self._fs.makedirs(str(target.parent), exist_ok=True)
        try:
            self._fs.put_file(str(source), part)
            self._fs.mv(part, str(target))
        except BaseException:
            with suppress(Exception):
                self._fs.rm_file(part)
            raise

    def _fetch(self, source: PurePosixPath, scratch: Path) -> Path | None:
        if self._local:
            return Path(source) if Path(source).is_file() else None
        target = scratch / source.name
        with _faults():
            try:
                self._fs.get_file(str(source), str(target))
            except FileNotFoundError:
                return None
        return target

    def _remove(self, directory: PurePosixPath) -> None:
        # When somebody else removes the same files at the same time, begin again with what is left.
        with _faults():
            while True:
                try:
                    self._fs.rm(str(directory), recursive=True)
                    return
                except FileNotFoundError:
                    if not (self._local and Path(directory).exists()):
                        return


@contextmanager
def _faults(*, missing: str | None = None) -> Iterator[None]:
    """Turn what file systems raise into errors of ours; a missing file too if a text for it is given."""
    try:
        yield
    except EarsightError:
        raise
    except OSError as error:
        if missing is not None and isinstance(error, FileNotFoundError):
            raise NotFound(missing) from error
        raise disk_error(error) from error
    except Exception as error:  # the clients of remote stores raise classes of their own
        raise StoreUnavailable(
            f"the place for artifacts cannot be used: {type(error).__name__}", setting=URL_SETTING
        ) from error


def _move(source: Path, target: Path, *, root: Path) -> None:
    """Move a file, also between disks, to a name below `root`, and have all of it on the disk."""
    target.parent.parent.mkdir(mode=0o700, exist_ok=True)
    target.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with replacing(target) as part:
            shutil.copyfile(source, part)
        source.unlink()
    for path in (target, target.parent, target.parent.parent, root):
        _sync(path)


def _sync(path: Path) -> None:
    """Have a file, or the entries of a directory, written to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
