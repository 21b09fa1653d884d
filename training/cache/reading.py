"""Caches opened for reading: what they hold, and its arrays, mapped from disk when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from training.cache.index import CacheError, EncoderKey, Index, Record, differences, read_index
from training.cache.places import Place
from training.data.examples import Facts, Split


@dataclass(frozen=True, slots=True)
class _Entry:
    """A record, and place and name of the shard that holds its arrays."""

    record: Record
    place: Place
    shard: str
    source: int
    views: int


class Cache:
    """Examples of one or several caches, or a part of them. It may be sent to other processes.

    Attributes:
        encoders: what all of them were encoded with.
        views: augmented views that every example has, beside the plain one.
        fields: which of `OPTIONAL_FIELDS` every example has.
    """

    def __init__(
        self, entries: tuple[_Entry, ...], *, encoders: EncoderKey, views: int, fields: tuple[str, ...]
    ) -> None:
        self.encoders = encoders
        self.views = views
        self.fields = fields
        self._entries = entries
        self._shards = _Shards()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def examples(self) -> tuple[Facts, ...]:
        """What is known of each example, in the order of `arrays`."""
        return tuple(entry.record.facts for entry in self._entries)

    def record(self, index: int) -> Record:
        """The entry of an example in its cache's index. Raises IndexError."""
        return self._entries[index].record

    def source(self, index: int) -> int:
        """Number of the cache that an example is from, in the order in which they were opened."""
        return self._entries[index].source

    def views_of(self, index: int) -> int:
        """Augmented views of an example, which may be more than all others have."""
        return self._entries[index].views

    def arrays(self, index: int, names: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Arrays of an example, as `training.cache.encoding.Encoded` describes them.

        They lie in memory that is mapped from the file: copy what you change or keep.

        Args:
            index: of the example.
            names: which arrays; all by default.

        Raises:
            IndexError: no such example.
            CacheError: it has no array of that name, or the file cannot be read.
        """
        entry = self._entries[index]
        return self._shards.read(entry.place, entry.shard, entry.record.position, names)

    def need_class_maps(self, name: str = "the cache") -> None:
        """Raises CacheError, which calls the cache so, if not every example has them."""
        if "class_map" not in self.fields:
            raise CacheError(f"{name} has no class maps: make it anew with --fields class_map")

    def split(self, name: Split) -> Cache:
        """The examples of one split; there may be none."""
        return self.where(lambda facts: facts.split == name)

    def where(self, wanted: Callable[[Facts], bool]) -> Cache:
        """The examples whose facts pass a test."""
        entries = tuple(entry for entry in self._entries if wanted(entry.record.facts))
        return Cache(entries, encoders=self.encoders, views=self.views, fields=self.fields)


class _Shards:
    """Open shards. Their mappings stay with the process that made them."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Any, frozenset[str]]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"_open": {}}

    def read(self, place: Place, shard: str, position: int, names: Iterable[str] | None) -> dict[str, Tensor]:
        path, prefix = f"{place}/{shard}", f"{position}/"
        try:
            if path not in self._open:
                handle = safe_open(place.local(shard), framework="pt")
                self._open[path] = handle, frozenset(handle.keys())
            handle, known = self._open[path]
            if names is None:
                names = sorted(key.removeprefix(prefix) for key in known if key.startswith(prefix))
            lacking = [name for name in names if prefix + name not in known]
            if lacking:
                raise CacheError(
                    f"{place} holds no {', '.join(lacking)}: make it anew with the --fields needed"
                )
            return {name: handle.get_tensor(prefix + name) for name in names}
        except (OSError, SafetensorError) as error:
            raise CacheError(f"{path} cannot be read: {error}; make the cache anew with --force") from error


def open_cache(*directories: Path | str) -> Cache:
    """Open one cache, or several as if they were one; each in a directory or at a URL of fsspec.

    Raises:
        CacheError: one is missing, damaged or empty, or they were made with different encoders.
        TypeError: no directory is given.
    """
    if not directories:
        raise TypeError("open_cache needs a directory")
    places = [Place(directory) for directory in directories]
    indices = [read_index(place) for place in places]
    first = indices[0].key.encoders
    entries: list[_Entry] = []
    for number, (place, index) in enumerate(zip(places, indices, strict=True)):
        unlike = differences(first, index.key.encoders)
        if unlike:
            raise CacheError(
                f"{place} ('here') and {places[0]} ('there') were made with different encoders and"
                f" cannot be used together: {'; '.join(unlike)}"
            )
        if not index.examples:
            raise CacheError(f"the cache in {place} is empty{_why(index)}")
        entries += [
            _Entry(record, place, index.shards[record.shard].name, number, index.key.views)
            for record in index.examples
        ]
    return Cache(
        tuple(entries),
        encoders=first,
        views=min(index.key.views for index in indices),
        fields=tuple(
            name for name in indices[0].key.fields if all(name in index.key.fields for index in indices)
        ),
    )


def _why(index: Index) -> str:
    if not index.failures:
        return ""
    first = index.failures[0]
    return f": all of {len(index.failures)} examples were left out, {first.id} since {first.reason}"
