"""What words say about sounds: how alike the names are of what is heard in two moments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from training.cache.moments import Moment
from training.encoders.events import EVENT_NAMES
from training.encoders.minilm import load_minilm
from training.methods.language_guidance.guidance import exchanged, name_similarity

RANKS = 5  # events that stand for a sound, as many as names for a class in the paper
_PROMPT = "the sound of {}"
_UNNAMED = -1


class Said(NamedTuple):
    """`rows` (M,) of a batch that have a name, and of those `similarity` (M, M) and whether they are the
    `same`, (M, M) bool: of one class, or of one example."""

    rows: Tensor
    similarity: Tensor
    same: Tensor


class Language(nn.Module):
    """Batches of moments to `Said`. What it holds is no part of a checkpoint.

    A moment is compared by its events, rank by rank, or by the name of its example.
    """

    similarity: Tensor
    names: Tensor | None

    def __init__(self, similarity: Tensor, names: Tensor | None = None) -> None:
        """Keep what words say.

        Args:
            similarity: (C, C) cosines of all names.
            names: (E,) int64, which of them each example has, -1 being none; without it they are events.
        """
        super().__init__()
        self.register_buffer("similarity", similarity, persistent=False)
        self.register_buffer("names", names, persistent=False)

    def forward(self, batch: Moment) -> Said:
        if self.names is None:
            names = batch["events"].topk(RANKS, dim=1).indices
        else:
            names = self.names[batch["example"]][:, None]
        rows = (names[:, 0] != _UNNAMED).nonzero()[:, 0]
        names, example = names[rows], batch["example"][rows]
        alike = self.similarity[names[:, None], names].mean(2)
        same = (names[:, None, 0] == names[:, 0]) | (example[:, None] == example)
        return Said(rows, alike, same)


def event_language(*, exchange: int | None = None) -> Language:
    """By the names of the events that are heard most: PLG, for single moments and not for classes.

    Args:
        exchange: a seed; each event gets the name of another one.

    Raises:
        WeightsMissing: MiniLM has not been fetched.
    """
    return Language(_similarity(EVENT_NAMES, exchange))


def label_language(labels: Sequence[tuple[str, ...]], *, exchange: int | None = None) -> Language:
    """By the labels of the examples, of which several make one name: ELG.

    Args:
        labels: of each example; there may be none.
        exchange: a seed; each name is exchanged for another one.

    Raises:
        WeightsMissing: MiniLM has not been fetched.
    """
    names = [" and ".join(sorted(several)) for several in labels]
    classes = sorted(set(names) - {""})
    numbers = [classes.index(name) if name else _UNNAMED for name in names]
    return Language(_similarity(classes, exchange), torch.tensor(numbers))


def _similarity(names: Sequence[str], exchange: int | None) -> Tensor:
    texts = load_minilm().encode([_PROMPT.format(name.lower()) for name in names])
    # A copy: what was made in inference mode cannot take part in training.
    similarity = name_similarity(texts.clone())
    return similarity if exchange is None else exchanged(similarity, seed=exchange)
