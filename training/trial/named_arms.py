"""The arms of a trial of names: what each calls a thing, and whether that is right."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from training.encoders.events import EVENT_NAMES
from training.guided.bridge import load_bridge
from training.methods.avdet.naming import bridged_name
from training.methods.language_guidance.naming import class_evidence, event_evidence, said
from training.trial.named import NamedThings
from training.trial.named_rules import Meaning

DETECTED = "the detector's label"
CLASS, CONCEPT = "ImageNet class, seen", "concept of the bridge, seen"
EVENT = "event, heard"
BRIDGED = "bridge, seen and heard"
LANGUAGE, LANGUAGE_CLASS = "language, event", "language, ImageNet class"
EXCHANGED, EXCHANGED_CLASS = f"{LANGUAGE}, names exchanged", f"{LANGUAGE_CLASS}, names exchanged"

_EXCHANGES = 5

_Name = TypeVar("_Name")

Right = dict[str, np.ndarray]  # arm to (B,) in [0, 1], the share of its names that are right


def seen_arms(things: NamedThings) -> Right:
    """Arms that do not hear."""
    bridge = load_bridge()
    concepts = (things.looks @ torch.from_numpy(bridge.looks).T).argmax(1)
    return {
        DETECTED: _right(things, things.detected, Meaning.is_word),
        CLASS: _classes(things, things.looks),
        CONCEPT: _right(things, (bridge.concepts[best] for best in concepts), Meaning.is_word),
    }


def heard_arms(things: NamedThings, link: Tensor) -> Right:
    """Arms that hear, by the link (1000, 521) of `name_link`.

    Events that stand for a whole family, such as "Music", are never said.
    """
    bridge = load_bridge()
    heard, looks = things.heard * said(EVENT_NAMES), things.looks
    by_bridge = (
        bridged_name(*pair, bridge) for pair in zip(things.heard[:, None], looks[:, None], strict=True)
    )
    exchanged = [_exchanged(link, seed=seed) for seed in range(_EXCHANGES)]
    return {
        EVENT: _events(things, heard),
        BRIDGED: _right(things, by_bridge, Meaning.is_word),
        LANGUAGE: _events(things, event_evidence(looks, heard, link)),
        EXCHANGED: np.mean([_events(things, event_evidence(looks, heard, one)) for one in exchanged], 0),
        LANGUAGE_CLASS: _classes(things, class_evidence(looks, heard, link)),
        EXCHANGED_CLASS: np.mean(
            [_classes(things, class_evidence(looks, heard, one)) for one in exchanged], 0
        ),
    }


def _exchanged(link: Tensor, *, seed: int) -> Tensor:
    """The link after the classes have got each other's names."""
    return link[torch.randperm(len(link), generator=torch.Generator().manual_seed(seed))]


def _events(things: NamedThings, evidence: Tensor) -> np.ndarray:
    return _right(things, evidence.argmax(1).tolist(), Meaning.is_event)


def _classes(things: NamedThings, evidence: Tensor) -> np.ndarray:
    return _right(things, evidence.argmax(1).tolist(), Meaning.is_class)


def _right(
    things: NamedThings, names: Iterable[_Name], is_right: Callable[[Meaning, _Name], bool]
) -> np.ndarray:
    pairs = zip(things.meanings, names, strict=True)
    return np.array([is_right(meaning, name) for meaning, name in pairs], np.float64)
