"""Coarse kinds of sound, read from the free text that describes a clip; the words are in `kinds.toml`.

"Another kind of sound" is what the swapped-audio control plays. A clip counts as every kind its text names,
heard or in sight: a dog's bark is no wrong sound for the picture of a dog on a skateboard.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_name("kinds.toml")


def kinds_of(sounds: str) -> frozenset[str]:
    """Every kind that the text names; empty if the table knows none of its words."""
    return _named(sounds, "kinds")


def instruments_of(sounds: str) -> frozenset[str]:
    """Every family of instruments that the text names; empty if it is not about music."""
    return _named(sounds, "instruments")


def differ(first: frozenset[str], second: frozenset[str]) -> bool:
    """Whether two clips surely differ in kind (or instrument): both are known, and they share none."""
    return bool(first) and bool(second) and first.isdisjoint(second)


@cache
def _table(section: str) -> Mapping[str, frozenset[str]]:
    parts = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    return {name: frozenset(words.split()) for name, words in parts[section].items()}


def _named(sounds: str, section: str) -> frozenset[str]:
    text = sounds.lower()
    for phrase, words in _table("phrases").items():
        text = text.replace(phrase, " ".join(words))
    found = set(re.findall(r"[a-z]+(?:-[a-z]+)*", text))
    return frozenset(name for name, members in _table(section).items() if members & found)
