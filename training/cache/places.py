"""Where a cache lies: in a directory, or at a URL of fsspec such as s3://bucket/cache."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from app.results.replacing import replacing
from training.encoders.weights import cache_dir

_LOCK = ".lock"


class CacheError(ValueError):
    """A cache is missing, damaged, in use, or not the one asked for; the message names it."""


class Place:
    """The files of one cache. It may be sent to other processes.

    All methods raise OSError, and CacheError where a store cannot be used for a reason of its own.
    """

    def __init__(self, where: Path | str) -> None:
        """Name a place; nothing is made or read yet.

        Args:
            where: a directory, or a URL; its file system may need a package of its own.

        Raises:
            CacheError: nothing that is installed can serve the URL.
        """
        self._name = str(where)
        if "://" not in self._name:
            self._fs, self._root = LocalFileSystem(), str(Path(where).absolute())
            return
        try:
            # Listings are not kept: other processes change them.
            self._fs, self._root = url_to_fs(self._name, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise CacheError(f"{where} cannot be used: {error}") from error

    def __str__(self) -> str:
        return self._name

    @property
    def is_local(self) -> bool:
        return isinstance(self._fs, LocalFileSystem)

    def claim(self) -> Callable[[], None]:
        """Make the place, and keep other runs from writing to it until the result is called.

        A store has no locks: there it is left to people. What a killed run left half written is removed.

        Raises CacheError if another run is writing.
        """
        if not self.is_local:
            return lambda: None
        directory = Path(self._root)
        directory.mkdir(parents=True, exist_ok=True)
        handle = (directory / _LOCK).open("wb")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.close()
            raise CacheError(
                f"another run is writing to {self}; wait for it or name another --out"
            ) from error
        for part in directory.glob(".*.part"):
            part.unlink(missing_ok=True)
        return handle.close

    def sizes(self) -> dict[str, int]:
        """Bytes of each file by its name; none where there is no such place."""
        with self._reached():
            try:
                found = self._fs.ls(self._root, detail=True)
            except FileNotFoundError:
                return {}
        files = [entry for entry in found if entry["type"] != "directory"]
        return {PurePosixPath(file["name"]).name: file["size"] for file in files}

    def read(self, name: str) -> bytes:
        with self._reached():
            content: bytes = self._fs.cat_file(self._path(name))
            return content

    def write(self, name: str, content: bytes) -> None:
        """Put a file in place in one step, as stores do anyway."""
        if self.is_local:
            with replacing(Path(self._path(name))) as part:
                part.write_bytes(content)
            return
        with self._reached():
            self._fs.pipe_file(self._path(name), content)

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        with self._reached():
            try:
                self._fs.rm_file(self._path(name))
            except FileNotFoundError:
                return

    def local(self, name: str) -> Path:
        """A file as one of this machine: itself, or a copy that is kept for the next time.

        Copies lie below `$EARSIGHT_WEIGHTS_DIR`, or `~/.cache/earsight`, in `shards`, and may be removed at
        any time at which no training runs.
        """
        if self.is_local:
            return Path(self._path(name))
        with self._reached():
            # What the store says of the file, its hash or time, so that a new one is not taken for the old.
            facts = f"{self}/{name}/{self._fs.ukey(self._path(name))}"
            copy = cache_dir() / "shards" / hashlib.blake2b(facts.encode(), digest_size=16).hexdigest()
            if not copy.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                with replacing(copy) as part:
                    self._fs.get_file(self._path(name), str(part))
        return copy

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except (OSError, CacheError):
            raise
        except Exception as error:  # the clients of stores raise classes of their own
            raise CacheError(f"{self} cannot be used: {type(error).__name__}: {error}") from error
