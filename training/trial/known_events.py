"""Which audio events a thing with a name may rightly be called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

from training.data.composites.inventory import KindEntry, read_inventory

_STEM = 4  # letters by which two forms of a word are known to be one
_VAGUE = {"animal", "music", "musical", "instrument", "sounds", "sound", "noise", "playing", "other", "voice"}


def events_of(label: str, events: Sequence[str]) -> list[int]:
    """Numbers of the events that a label may mean; empty if nothing fits.

    A kind of the composed scenes has them listed. Of a free text such as "dog barking" all events count whose
    name shares a word with it.
    """
    inventory = _inventory()
    if label in inventory:
        return [index for index, name in enumerate(events) if name in inventory[label].events]
    said = _stems(label)
    return [index for index, name in enumerate(events) if said & _stems(name)]


@cache
def _inventory() -> Mapping[str, KindEntry]:
    return read_inventory()


def _stems(text: str) -> set[str]:
    words = re.findall(r"[a-z]{3,}", text.lower())
    return {word[:_STEM] for word in words if word not in _VAGUE}
