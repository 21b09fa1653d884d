"""One frame of each example: the one in the middle of those whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torch import Tensor

from training.cache.reading import Cache

_VIEWED = ("tokens", "class_map")  # arrays whose first axis are views, of which the plain one is taken


class MiddleFrame(NamedTuple):
    """A frame of an example.

    Attributes:
        example: number of the example in the cache.
        group: name of the video or scene that it is from, the unit of resampling.
        things: names of what is marked.
        arrays: of this frame alone, each with a first axis of 1.
    """

    example: int
    group: str
    things: tuple[str, ...]
    arrays: dict[str, Tensor]


def middle_frames(cache: Cache, names: Sequence[str]) -> Iterator[MiddleFrame]:
    """The frames of a cache with arrays of these names; examples of which nothing is judged are left out.

    The arrays are mapped from disk: copy what is kept. Raises CacheError if one is not there.
    """
    for index in range(len(cache)):
        record = cache.record(index)
        if not record.judged:
            continue
        middle = record.judged[len(record.judged) // 2]
        whole = cache.arrays(index, names)
        arrays = {
            name: (array[0] if name in _VIEWED else array)[middle, None] for name, array in whole.items()
        }
        facts = record.facts
        yield MiddleFrame(index, facts.group or facts.scene or facts.id, record.things, arrays)
