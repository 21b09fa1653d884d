"""The bridge from what is heard (AudioSet events) to what can be seen (ImageNet classes and people).

`concepts.toml` is the source; this module turns it into the arrays that the guided localiser computes with.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.encoders.events import EVENT_NAMES

N_EVENTS = 521
N_CLASSES = 1000
SILENCE_EVENT = 494
NOISE_EVENTS = (507, 509, 514, 515)  # Noise, Static, White noise, Pink noise
CONCEPTS = Path(__file__).with_name("concepts.toml")

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Family:
    """Events of one kind; a generic one counts as far as no specific one is heard."""

    name: str
    member: npt.NDArray[np.bool_]  # (E,)
    generic: npt.NDArray[np.bool_]  # (E,)


@dataclass(frozen=True, slots=True)
class Bridge:
    """Links between E = 521 audio events, C concepts and 1000 visual classes.

    The last two concepts are `person` and `head`; they have no visual class and are found in the tokens.

    Attributes:
        concepts: names, C of them.
        sure: (E, C) in [0, 1], weight of a specific event, which is evidence by itself.
        near: (E, C) in [0, 1], weight of any event; within a family it counts as far as no specific event
            of the family is heard.
        looks: (C, 1000) in {0, 1}, visual classes of a concept.
        lookalike: (C, C), weight with which one concept also lights another.
        thresholds: (E,) score from which an event counts.
    """

    concepts: tuple[str, ...]
    sure: Array
    near: Array
    looks: Array
    lookalike: Array
    families: tuple[Family, ...]
    thresholds: Array


def numbers(text: str) -> list[int]:
    """'3 5-7' -> [3, 5, 6, 7]."""
    found: list[int] = []
    for part in text.split():
        first, _, last = part.partition("-")
        found.extend(range(int(first), int(last or first) + 1))
    return found


def load_bridge(path: Path = CONCEPTS) -> Bridge:
    """Read `concepts.toml`. Raises KeyError or ValueError when it names what does not exist."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    names = (*table["concepts"], "person", "head")
    index = {name: i for i, name in enumerate(names)}
    sure = np.zeros((N_EVENTS, len(names)), np.float32)
    near = np.zeros_like(sure)
    looks = np.zeros((len(names), N_CLASSES), np.float32)
    for name, concept in table["concepts"].items():
        sure[numbers(concept["sounds"]), index[name]] = 1.0
        near[numbers(concept["near"]), index[name]] = table["near_weight"]
        looks[index[name], numbers(concept["imagenet"])] = 1.0
    limits = table["thresholds"]
    sure[numbers(limits["human_events"]), index["person"]] = table["person_weight"]
    sure[numbers(limits["voice_events"]), index["head"]] = table["head_weight"]
    families = tuple(_family(name, entry) for name, entry in table["families"].items())
    for entry in table["families"].values():
        members = [index[name] for name in entry.get("members", "").split()]
        near[np.ix_(numbers(entry.get("everything", "")), members)] = table["near_weight"]
    generic = np.any([family.generic for family in families], axis=0)
    near = np.maximum(near, sure)
    sure[generic] = 0.0
    return Bridge(names, sure, near, looks, _lookalike(table, index), families, _thresholds(limits))


@cache
def general_events() -> frozenset[str]:
    """Names of the events that stand for a whole family, such as "Music" or "Animal"."""
    generic = np.any([family.generic for family in load_bridge().families], axis=0)
    return frozenset(name for name, one in zip(EVENT_NAMES, generic, strict=True) if one)


def _family(name: str, entry: dict[str, str]) -> Family:
    member, generic = np.zeros(N_EVENTS, bool), np.zeros(N_EVENTS, bool)
    member[numbers(entry["events"])] = True
    generic[numbers(entry["generic"])] = True
    return Family(name, member, generic)


def _lookalike(table: dict[str, Any], index: dict[str, int]) -> Array:
    weight = np.zeros((len(index), len(index)), np.float32)
    for group in table["lookalikes"]["groups"]:
        rows = [index[name] for name in group.split()]
        weight[np.ix_(rows, rows)] = table["lookalike_weight"]
    np.fill_diagonal(weight, 0.0)
    return weight


def _thresholds(limits: dict[str, Any]) -> Array:
    thresholds = np.full(N_EVENTS, limits["default"], np.float32)
    thresholds[numbers(limits["human_events"])] = limits["human"]
    thresholds[numbers(limits["body_events"])] = limits["body"]
    return thresholds
