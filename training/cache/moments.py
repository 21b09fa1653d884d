"""Moments: what a method is trained on, one frame of an example with the sound around it."""

from __future__ import annotations

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.utils.data import Dataset

from training.cache.index import CacheError
from training.cache.reading import Cache
from training.data.examples import Facts

Moment = dict[str, Tensor]


class Moments(Dataset[Moment]):
    """The frames of a cache, encoded. With V views, G x G cells and E events each moment is a dict of

    * `tokens` (G, G, Dv), of the plain frame, and `tokens_views` (V, G, G, Dv), of the views of it;
    * `embedding` (Da,) and `events` (E,), of the sound; zero without sound;
    * `cover` (G, G) and `cover_views` (V, G, G) in [0, 1], share of each cell in the truth, which means
      nothing unless `judged`;
    * `class_map` (H, W, C) of the plain frame, if asked for;
    * `judged`, `has_sound` and `sounding` () bool: whether the truth is known, whether there is a sound track
      at this time, and whether a source of the sound may be in sight at all (`Facts.sounding`);
    * `time_s` () float64; `index` and `example` () int64, of the moment and of its example in the cache.
    """

    def __init__(
        self,
        cache: Cache,
        *,
        judged_only: bool = False,
        class_map: bool = False,
        in_memory: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """The moments of all examples of a cache, in their order.

        Args:
            cache: usually one split.
            judged_only: leave out frames whose truth is not known.
            class_map: give class maps, too.
            in_memory: read everything now, in half precision: some 0.6 MB a moment with two views, with a
                progress bar on a terminal. Otherwise it stays on disk, and the system keeps what it can.
            dtype: of the features as they are given; they are stored in half precision.

        Raises:
            CacheError: there is no moment, or class maps are wanted and the cache has none.
        """
        self.cache = cache
        self.dtype = dtype
        self._names = ["tokens", "cover", "embedding", "events", "has_sound", "times_s"]
        if class_map:
            cache.need_class_maps()
            self._names.append("class_map")
        self._places = moment_places(cache, judged_only=judged_only)
        self._memory = self._loaded() if in_memory else None

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Moment:
        example, frame = self._places[index]
        stored = self._stored(example, frame) if self._memory is None else self._kept(index)
        record = self.cache.record(example)
        return {
            **_split_views({name: stored[name].to(self.dtype) for name in self._names[:4]}),
            **({"class_map": stored["class_map"].to(self.dtype)} if "class_map" in stored else {}),
            "has_sound": stored["has_sound"],
            "time_s": stored["times_s"],
            "judged": torch.tensor(frame in record.judged),
            "sounding": torch.tensor(record.facts.sounding),
            "index": torch.tensor(index),
            "example": torch.tensor(example),
        }

    def facts(self, index: int) -> Facts:
        """What is known of the example that a moment belongs to."""
        return self.cache.record(self._places[index][0]).facts

    def table(self) -> Moment:
        """All moments at once, for methods that pick their batches from it; only if they are in memory.

        `tokens` (N, V + 1, G, G, Dv) and `cover` (N, V + 1, G, G), the plain view first, `embedding` (N, Da),
        `events` (N, E) and `class_map` in half precision, as they are stored; `has_sound`, `judged` and
        `sounding` (N,) bool; `example` and `source` (N,) int64, the latter the number of the cache.
        """
        assert self._memory is not None
        records = [self.cache.record(example) for example, _ in self._places]
        frames = [frame for _, frame in self._places]
        return {
            **self._memory,
            "judged": torch.tensor([n in record.judged for n, record in zip(frames, records, strict=True)]),
            "sounding": torch.tensor([record.facts.sounding for record in records]),
            "example": torch.tensor([example for example, _ in self._places]),
            "source": torch.tensor([self.cache.source(example) for example, _ in self._places]),
        }

    def _stored(self, example: int, frame: int) -> Moment:
        """The arrays of one frame, copied out of the mapped file."""
        arrays = self.cache.arrays(example, self._names)
        return {name: self._of_frame(name, array, frame).clone() for name, array in arrays.items()}

    def _of_frame(self, name: str, array: Tensor, frame: int) -> Tensor:
        if name in ("tokens", "cover"):
            return array[: self.cache.views + 1, frame]
        return array[0, frame] if name == "class_map" else array[frame]

    def _kept(self, index: int) -> Moment:
        assert self._memory is not None
        return {name: kept[index] for name, kept in self._memory.items()}

    def _loaded(self) -> Moment:
        """One tensor a name with a first axis over all moments; `index` counts along it."""
        first = self._stored(*self._places[0])
        memory = {
            name: torch.empty((len(self), *part.shape), dtype=part.dtype) for name, part in first.items()
        }
        console = Console(stderr=True)
        places = track(
            self._places,
            "reading the cache",
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        for index, (example, frame) in enumerate(places):
            for name, array in self.cache.arrays(example, self._names).items():
                memory[name][index] = self._of_frame(name, array, frame)
        return memory


def moment_places(cache: Cache, *, judged_only: bool) -> list[tuple[int, int]]:
    """(example, frame) of every moment of a cache. Raises CacheError if there is none."""
    places = []
    for example in range(len(cache)):
        record = cache.record(example)
        frames = record.judged if judged_only else range(record.n_frames)
        places += [(example, frame) for frame in frames]
    if not places:
        raise CacheError(
            f"this part of the cache has {len(cache)} examples and no {'judged ' if judged_only else ''}frame"
        )
    return places


def _split_views(stored: Moment) -> Moment:
    """The plain view and the others by names of their own."""
    given = {}
    for name, part in stored.items():
        if name in ("tokens", "cover"):
            given[name], given[f"{name}_views"] = part[0], part[1:]
        else:
            given[name] = part
    return given
