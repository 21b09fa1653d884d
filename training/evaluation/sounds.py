"""Sounds as a localiser hears them, and what a localiser is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

# (N, G, G, Dv) tokens, (N, H, W, C) class map, (N, E) events and (N, Da) embedding, float32 and contiguous,
# to (N, G, G) heatmaps and (N,) presence.
Localizer = Callable[
    [Floats, Floats, Floats, Floats], tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]
]


@dataclass(frozen=True, slots=True)
class Sounds:
    """K encoded sounds.

    Attributes:
        events: (K, E) float32 scores in [0, 1].
        embedding: (K, Da) float32.
    """

    events: Floats
    embedding: Floats

    def __post_init__(self) -> None:
        if len(self.events) != len(self.embedding):
            raise ValueError(f"{len(self.events)} sounds with {len(self.embedding)} embeddings")

    def __len__(self) -> int:
        return len(self.events)

    def take(self, indices: Sequence[int] | npt.NDArray[np.intp] | slice) -> Sounds:
        """The sounds at some indices, in their order."""
        chosen = indices if isinstance(indices, slice) else np.asarray(indices, np.intp)
        return Sounds(self.events[chosen], self.embedding[chosen])

    def all_at_once(self) -> Sounds:
        """One sound for all: the largest score of each event, and the mean embedding.

        With it a localiser marks whatever could sound, as a deaf but otherwise equal model would. To a map
        that is linear in the embedding the mean embedding gives the mean of the maps.
        """
        return Sounds(
            self.events.max(axis=0, keepdims=True),
            self.embedding.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32),
        )

    def nothing(self) -> Sounds:
        """One sound of the same widths, all zero: what a frame without any sound track hears."""
        return Sounds(np.zeros_like(self.events[:1]), np.zeros_like(self.embedding[:1]))


def join(parts: Iterable[Sounds]) -> Sounds:
    """Sounds one after the other."""
    listed = list(parts)
    return Sounds(
        np.concatenate([part.events for part in listed]), np.concatenate([part.embedding for part in listed])
    )
