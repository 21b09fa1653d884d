"""Which names of a thing are right, whatever vocabulary they are from: the rules of `named_rules.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from training.data.composites.inventory import KindEntry, read_inventory
from training.encoders.events import EVENT_NAMES
from training.guided.bridge import load_bridge

RULES = Path(__file__).with_name("named_rules.toml")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a thing is.

    Attributes:
        concepts: of the bridge, that it belongs to.
        events: numbers of audio events that it may be called besides those that surely mean its concepts.
    """

    concepts: frozenset[str]
    events: frozenset[int]

    def is_event(self, event: int) -> bool:
        """Whether an audio event names it."""
        return event in self.events or bool(self.concepts & _links().of_event[event])

    def is_class(self, number: int) -> bool:
        """Whether a class of ImageNet names it."""
        return bool(self.concepts & _links().of_class[number])

    def is_word(self, word: str) -> bool:
        """Whether a concept, a word of the rules by its first concept, or an event by its first name names
        it."""
        means = {word, *_rules()["means"].get(word, "").split()[:1]}
        return bool(self.concepts & means) or any(map(self.is_event, _links().events.get(word, ())))


def meaning_of(label: str) -> Meaning | None:
    """What a kind of the composed scenes means, or all that the words of a free text mean; None if the rules
    know none of them."""
    means = _rules()["means"]
    known = [label] if label in means else _known_words(label)
    if not known:
        return None
    return Meaning(
        frozenset(concept for name in known for concept in means[name].split()),
        frozenset(event for name in known for event in _own_events(name)),
    )


def _known_words(text: str) -> list[str]:
    words = set(re.findall(r"[a-z]+", text.lower()))
    return [name for name in _rules()["means"] if words & {name, f"{name}s", f"{name}ing"}]


def _own_events(name: str) -> set[int]:
    rules, inventory = _rules(), _inventory()
    listed = set(inventory[name].events) if name in inventory else set()
    listed -= {*rules["vague"], *rules["not_called"].get(name, ())}
    return {number for number, event in enumerate(EVENT_NAMES) if event in listed or event.lower() == name}


@dataclass(frozen=True, slots=True)
class _Links:
    """Concepts that events surely mean and that classes show; events by the first of their names."""

    of_event: tuple[frozenset[str], ...]
    of_class: tuple[frozenset[str], ...]
    events: dict[str, list[int]]


@cache
def _links() -> _Links:
    bridge = load_bridge()
    of_event, of_class = (
        tuple(frozenset(bridge.concepts[column] for column in np.flatnonzero(row)) for row in links)
        for links in (bridge.sure, bridge.looks.T)
    )
    events: dict[str, list[int]] = {}
    for number, name in enumerate(EVENT_NAMES):
        events.setdefault(name.split(",")[0].lower(), []).append(number)
    return _Links(of_event, of_class, events)


@cache
def _inventory() -> Mapping[str, KindEntry]:
    return read_inventory()


@cache
def _rules() -> dict[str, Any]:
    return tomllib.loads(RULES.read_text(encoding="utf-8"))
