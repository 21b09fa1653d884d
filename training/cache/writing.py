"""Shards and index, on disk or in a store: at any moment a whole cache of what was finished by then."""

from __future__ import annotations

import re
from pathlib import Path
from types import TracebackType

from safetensors.numpy import save

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
from training.cache.places import Place
from training.data.examples import Facts

SHARD_EXAMPLES = 64
SHARD_BYTES = (
    256 * 2**20
)  # a shard is put together in memory, so it is closed early when it grows beyond this

_OURS = re.compile(r"\d{5,}\.safetensors")


class CacheWriter:
    """Adds examples to a cache. Use it in a `with` block: what was added last is written when the block ends,
    also if it ends with an error or Ctrl-C."""

    def __init__(self, where: Path | str, key: CacheKey, *, bundle: str, force: bool = False) -> None:
        """Open or begin a cache.

        Args:
            where: directory, made if it is missing, or URL of fsspec.
            key: how examples will be encoded.
            bundle: name and version of the bundle, for people.
            force: throw away what an earlier run left there.

        Raises:
            CacheError: the cache there was made otherwise, or is damaged, or another run is writing to it.
            OSError: the place cannot be written to.
        """
        self._place = Place(where)
        self._release = self._place.claim()
        try:
            if force:
                _clear(self._place)
            self._index = _opened(self._place, key, bundle)
        except BaseException:
            self._release()
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
            self._release()

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
            size_bytes = self._write_shard(name)
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
        if index != self._index or INDEX not in self._place.sizes():
            self._write_index(index)
        self._index, self._waiting, self._waiting_bytes = index, [], 0

    def _write_shard(self, name: str) -> int:
        tensors = {
            f"{position}/{array_name}": array
            for position, (_, encoded) in enumerate(self._waiting)
            for array_name, array in encoded.arrays.items()
        }
        # Not by the library, which would hide a full disk behind an error of its own.
        content = save(tensors)
        self._place.write(name, content)
        return len(content)

    def _write_index(self, index: Index) -> None:
        try:
            write_index(index, self._place)
        except OSError:
            for shard in index.shards[len(self._index.shards) :]:  # no index names it: give back the space
                self._place.remove(shard.name)
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


def _opened(place: Place, key: CacheKey, bundle: str) -> Index:
    if INDEX not in place.sizes():
        return Index(bundle=bundle, key=key)
    index = read_index(place)
    unlike = differences(index.key, key)
    if unlike:
        raise CacheError(
            f"the cache in {place} was made in another way ({'; '.join(unlike)}). Nothing was changed:"
            " name another --out, or add --force to throw that cache away"
        )
    return index


def _clear(place: Place) -> None:
    """Remove a cache, the index first, and nothing that is not part of one."""
    place.remove(INDEX)
    for name in place.sizes():
        if _OURS.fullmatch(name):
            place.remove(name)
