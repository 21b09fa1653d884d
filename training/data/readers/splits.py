"""A split for data that come without one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from training.data.examples import Split

VAL_SHARE = 0.1


def split_groups(groups: Iterable[str]) -> dict[str, Split]:
    """About a tenth of the groups to `val`, the others to `train`, by the hash of their names.

    A group keeps its split whatever else is in the data. Only where that would leave one side empty, the
    group that is nearest to it changes over; a single group is for training.
    """
    drawn = {group: _draw(group) for group in groups}
    splits: dict[str, Split] = {
        group: "val" if value < VAL_SHARE else "train" for group, value in drawn.items()
    }
    if len(drawn) == 1:
        return dict.fromkeys(splits, "train")
    if drawn and "val" not in splits.values():
        splits[min(drawn, key=drawn.__getitem__)] = "val"
    if drawn and "train" not in splits.values():
        splits[max(drawn, key=drawn.__getitem__)] = "train"
    return splits


def _draw(group: str) -> float:
    """A number in [0, 1) that depends on the name only."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64
