"""Batches of moments for methods that compare what is seen with what is heard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from training.cache.index import CacheError
from training.cache.moments import Moment, Moments
from training.cache.raw_moments import RawMoments
from training.cache.reading import Cache

AUDIBLE = 0.1  # a moment counts as sounding when some event reaches this score
_PROJECTED = 64  # moments at once


class AudibleMoments(Dataset[Moment]):
    """Moments in which something is heard, in memory, given as whole batches.

    A batch is a dict of `seen` (B, V + 1, G, G, C), tokens scaled and projected once, the plain view first,
    `later` (B, G, G, C), the plain view of the next frame of the same example, `moves` (B,) bool, whether
    there is such a frame, `embedding` (B, Da), `events` (B, E), `cover` (B, G, G), `judged` (B,) bool, and
    `example` and `source` (B,) int64, the number of the example and of its cache. Floats are in half
    precision. `later` and `moves` are there only if asked for.
    """

    def __init__(self, cache: Cache, *, later: bool = False, shuffle_seed: int | None = None) -> None:
        """Read the moments of a cache.

        Args:
            cache: one split of it.
            later: give the next frame, too.
            shuffle_seed: give each moment the sound of another one, the control that cannot learn what
                belongs together.

        Raises:
            CacheError: there is no moment in which something is heard.
        """
        self._table = Moments(cache, in_memory=True, dtype=torch.float16).table()
        self._chosen = heard_moments(self._table["events"])
        self._seen = self._table["tokens"]
        self._later = next_frames(self._table["example"]) if later else None
        self._sound = torch.arange(len(self._table["example"]))
        if shuffle_seed is not None:
            generator = torch.Generator().manual_seed(shuffle_seed)
            self._sound[self._chosen] = self._chosen[torch.randperm(len(self), generator=generator)]

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> Moment:
        return {name: part[0] for name, part in self.__getitems__([index]).items()}

    def __getitems__(self, indices: list[int]) -> Moment:
        """A batch; the loader asks for it in one go."""
        rows = self._chosen[indices]
        table, sounds = self._table, self._sound[rows]
        batch = {
            "seen": self._seen[rows],
            "embedding": table["embedding"][sounds],
            "events": table["events"][sounds],
            "cover": table["cover"][rows, 0],
            "judged": table["judged"][rows] & table["sounding"][rows],
            "example": table["example"][rows],
            "source": table["source"][rows],
        }
        if self._later is not None:
            later = self._later[rows]
            batch |= {"later": self._seen[later, 0], "moves": later != rows}
        return batch

    @torch.no_grad()
    def project(self, seen: Callable[[Tensor], Tensor]) -> None:
        """Replace the tokens (..., Dv) by (..., C), once for all epochs."""
        parts = [seen(part).half() for part in self._table.pop("tokens").split(_PROJECTED)]
        self._seen = torch.cat(parts)

    @property
    def tokens(self) -> Tensor:
        """(N, G, G, Dv) plain views of all moments of the cache, in half precision, before `project`."""
        return self._table["tokens"][:, 0]

    @property
    def embedding(self) -> Tensor:
        """(N, Da) embeddings of the moments in which something is heard."""
        return self._table["embedding"][self._chosen]


class RawAudibleMoments(Dataset[Moment]):
    """Moments of `RawMoments` in which the cache's encoder heard something, one by one."""

    def __init__(self, cache: Cache, *, shuffle_seed: int | None = None) -> None:
        """As `AudibleMoments`. Raises CacheError, also if the cache was made without `raw`."""
        self._moments = RawMoments(cache)
        events = [cache.arrays(example, ("events",))["events"] for example in range(len(cache))]
        self._chosen = heard_moments(torch.cat(events))
        order = torch.arange(len(self))
        if shuffle_seed is not None:
            order = torch.randperm(len(self), generator=torch.Generator().manual_seed(shuffle_seed))
        self._sound = self._chosen[order]

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> Moment:
        moment = self._moments[int(self._chosen[index])]
        if self._sound[index] != self._chosen[index]:
            other = self._moments[int(self._sound[index])]
            moment |= {name: other[name] for name in ("windows", "heard", "has_sound")}
        moment["judged"] = moment["judged"] & moment["sounding"]
        moment["source"] = torch.tensor(self._moments.cache.source(int(moment["example"])))
        return moment


def heard_moments(events: Tensor) -> Tensor:
    """(M,) indices of the moments whose events (N, E) are heard. Raises CacheError if there is none."""
    found = (events.amax(1) >= AUDIBLE).nonzero()[:, 0]
    if not len(found):
        raise CacheError(f"in none of the {len(events)} moments of this part of the cache is anything heard")
    return found


def next_frames(examples: Tensor) -> Tensor:
    """(N,) index of the next frame of the same example, or of the frame itself if it is the last."""
    here = torch.arange(len(examples))
    following = (here + 1).clamp(max=max(len(examples) - 1, 0))
    return torch.where(examples[following] == examples, following, here)


def as_it_is(batch: Any) -> Any:
    """For the loader: batches come stacked already."""
    return batch
