"""Shards and index on disk: at any moment the directory holds a whole cache of what was finished by then."""

from __future__ import annotations

import fcntl
import re
from pathlib import Path
from types import TracebackType
from typing import IO

from safetensors.numpy import save

from app.results.replacing import replacing
from training.cache.encoding import Encoded
from training.cache.index import (
    INDEX,
    CacheError,
    CacheKey,
    Failure,
    Index,
    Record,
    Shard,
    differences,
    read_index,
    write_index,
)
from training.data.examples import Facts

SHARD_EXAMPLES = 64
SHARD_BYTES = (
    256 * 2**20
)  # a shard is put together in memory, so it is closed early when it grows beyond this

_LOCK = ".lock"
_OURS = re.compile(r"\d{5,}\.safetensors")


class CacheWriter:
    """Adds examples to a cache. Use it in a `with` block: what was added last is written when the block ends,
    also if it ends with an error or Ctrl-C."""

    def __init__(self, directory: Path, key: CacheKey, *, bundle: str, force: bool = False) -> None:
        """Open or begin a cache.

        Args:
            directory: made if it is missing.
            key: how examples will be encoded.
            bundle: name and version of the bundle, for people.
            force: throw away what an earlier run left there.

        Raises:
            CacheError: the cache there was made otherwise, or is damaged, or another run is writing to it.
            OSError: the directory cannot be written to.
        """
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(directory)
        try:
            if force:
                _clear(directory)
            self._index = _opened(directory, key, bundle)
        except BaseException:
            self._lock.close()
            raise
        self._done = {record.facts.id for record in self._index.examples}
        self._failures = {failure.id: failure for failure in self._index.failures}
        self._waiting: list[tuple[Facts, Encoded]] = []
        self._waiting_bytes = 0

    def __enter__(self) -> CacheWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.flush()
        finally:
            self._lock.close()

    def __contains__(self, example_id: str) -> bool:
        """Whether the cache has an example of that id, written or about to be."""
        return example_id in self._done

    def __len__(self) -> int:
        return len(self._done)

    @property
    def n_written(self) -> int:
        """Examples that are safe on disk."""
        return len(self._index.examples)

    @property
    def failures(self) -> tuple[Failure, ...]:
        return tuple(self._failures.values())

    def add(self, facts: Facts, encoded: Encoded) -> None:
        """Take in an example; every `SHARD_EXAMPLES` of them are written. Raises OSError."""
        self._waiting.append((facts, encoded))
        self._waiting_bytes += encoded.size_bytes
        self._done.add(facts.id)
        self._failures.pop(facts.id, None)
        if len(self._waiting) >= SHARD_EXAMPLES or self._waiting_bytes >= SHARD_BYTES:
            self.flush()

    def fail(self, example_id: str, reason: str) -> None:
        """Note that an example could not be taken in. A later run tries it again."""
        self._failures[example_id] = Failure(id=example_id, reason=reason)

    def flush(self) -> None:
        """Write what is waiting: the shard first, then the index that names it. Raises OSError."""
        index = self._index
        if self._waiting:
            name = f"{len(index.shards):05}.safetensors"
            size_bytes = self._write_shard(self._directory / name)
            records = tuple(
                _record(facts, encoded, shard=len(index.shards), position=position)
                for position, (facts, encoded) in enumerate(self._waiting)
            )
            index = index.model_copy(
                update={
                    "shards": (*index.shards, Shard(name=name, size_bytes=size_bytes)),
                    "examples": index.examples + records,
                }
            )
        index = index.model_copy(update={"failures": self.failures})
        if index != self._index or not (self._directory / INDEX).exists():
            self._write_index(index)
        self._index, self._waiting, self._waiting_bytes = index, [], 0

    def _write_shard(self, path: Path) -> int:
        tensors = {
            f"{position}/{name}": array
            for position, (_, encoded) in enumerate(self._waiting)
            for name, array in encoded.arrays.items()
        }
        with replacing(path) as part:
            # The library would replace the file itself, and hide a full disk behind an error of its own.
            return part.write_bytes(save(tensors))

    def _write_index(self, index: Index) -> None:
        try:
            write_index(index, self._directory)
        except OSError:
            for shard in index.shards[len(self._index.shards) :]:  # no index names it: give back the space
                (self._directory / shard.name).unlink(missing_ok=True)
            raise


def _record(facts: Facts, encoded: Encoded, *, shard: int, position: int) -> Record:
    return Record(
        facts=facts,
        shard=shard,
        position=position,
        n_frames=encoded.n_frames,
        judged=encoded.judged,
        has_sound=encoded.has_sound,
        waveform_start_s=encoded.waveform_start_s,
        things=encoded.things,
    )


def _opened(directory: Path, key: CacheKey, bundle: str) -> Index:
    for part in directory.glob(".*.part"):  # left by a run that was killed
        part.unlink(missing_ok=True)
    if not (directory / INDEX).exists():
        return Index(bundle=bundle, key=key)
    index = read_index(directory)
    unlike = differences(index.key, key)
    if unlike:
        raise CacheError(
            f"the cache in {directory} was made in another way ({'; '.join(unlike)}). Nothing was changed:"
            " name another --out, or add --force to throw that cache away"
        )
    return index


def _locked(directory: Path) -> IO[bytes]:
    handle = (directory / _LOCK).open("wb")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        handle.close()
        raise CacheError(
            f"another run is writing to {directory}; wait for it or name another --out"
        ) from error
    return handle


def _clear(directory: Path) -> None:
    """Remove a cache, the index first, and nothing that is not part of one."""
    (directory / INDEX).unlink(missing_ok=True)
    for path in directory.iterdir():
        if _OURS.fullmatch(path.name):
            path.unlink()
