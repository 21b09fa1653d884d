"""Which picture and which recording belongs to which split: every one to exactly one.

Scenes of one split are made of its own pictures and recordings only. A kind with several pictures and several
recordings lies in several splits, so that a test can ask about new pictures of known kinds; a kind that has
one picture or one recording lies in one split, and in the test it is a new kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from training.data.examples import Split

SPLITS: tuple[Split, ...] = ("train", "val", "test")
SHARES: dict[Split, float] = {"train": 0.60, "val": 0.15, "test": 0.25}

_GOLDEN = 0.6180339887  # multiples of it fill [0, 1) evenly, however many there are


def draw(name: str) -> float:
    """A number in [0, 1) that depends on the name only."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def share_out(names: Iterable[str], among: Sequence[Split]) -> dict[str, Split]:
    """Split for each name, in proportion to `SHARES` and at least one for each of `among`.

    The order of the names does not matter. If there are fewer names than splits, the last splits get none.
    """
    ordered = sorted(names, key=draw)
    counts = _counts(len(ordered), among)
    splits = [split for split in among for _ in range(counts[split])]
    return dict(zip(ordered, splits, strict=True))


def splits_for(n_apart: int) -> tuple[Split, ...]:
    """In which splits a kind can lie that has this many pictures, or recordings, if it has fewer of them."""
    return ("train", "test") if n_apart == 2 else SPLITS


def place_whole(kinds: Iterable[str]) -> dict[str, Split]:
    """Split for each kind that must lie in one."""
    ordered = sorted(kinds, key=draw)
    return {kind: _at((0.3 + rank * _GOLDEN) % 1.0) for rank, kind in enumerate(ordered)}


def _counts(n: int, among: Sequence[Split]) -> dict[Split, int]:
    total = sum(SHARES[split] for split in among)
    counts = {split: 1 if rank < n else 0 for rank, split in enumerate(among)}
    while sum(counts.values()) < n:
        neediest = max(among, key=lambda split: n * SHARES[split] / total - counts[split])
        counts[neediest] += 1
    return counts


def _at(value: float) -> Split:
    for split in SPLITS:
        value -= SHARES[split]
        if value < 0:
            return split
    return SPLITS[-1]
