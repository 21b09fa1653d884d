"""What the graphs of a bundle take and give: the contract between the exporter and the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.errors import BundleError
from app.inference.manifest import GraphFile

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

# role -> (inputs, outputs), each name: dtype. All graphs but the encoders declare only those inputs that they
# read: one needs names of what is heard, another the embedding.
GRAPHS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "visual": ({"frames": "uint8"}, {"tokens": "float32", "class_map": "float32"}),
    "audio": ({"windows": "float32"}, {"scores": "float32", "embedding": "float32"}),
    "localize": (
        {"tokens": "float32", "class_map": "float32", "events": "float32", "embedding": "float32"},
        {"heatmap": "float32", "presence": "float32"},
    ),
    "detect": (
        {"tokens": "float32", "class_map": "float32"},
        {"boxes": "float32", "scores": "float32", "labels": "int64"},
    ),
    "name": ({"looks": "float32", "events": "float32"}, {"evidence": "float32"}),
    "explain": (
        {
            "tokens": "float32",
            "class_map": "float32",
            "window": "float32",
            "heat": "float32",
            "cells": "float32",
            "steps": "float32",
            "blurred": "float32",
            "silent": "float32",
            "target": "int64",
        },
        {
            "scores": "float32",
            "chosen": "int64",
            "logits": "float32",
            "by_sight": "float32",
            "by_sound": "float32",
            "when_audio": "float32",
            "when_visual": "float32",
            "where": "float32",
            "reference_events": "float32",
            "reference_window": "float32",
        },
    ),
}

_ENCODERS = ("visual", "audio")
OPTIONAL = ("detect", "explain")  # loaded if the task of that name is offered
NAME = "name"  # loaded if it is there


class Versions(NamedTuple):
    """B versions of a clip of T steps with parts of it hidden.

    Attributes:
        cells: (B, T, G, G), 1 shows a cell.
        steps: (B, T), 1 lets the sound of a step be heard.
        blurred: (B,), 0 puts the mean of all pictures in place of hidden cells, 1 that of their own frame.
        silent: (B,), 0 puts the mean of all sounds in place of hidden ones, 1 silence.
    """

    cells: Floats
    steps: Floats
    blurred: Floats
    silent: Floats


class Explained(NamedTuple):
    """What the explain graph says of a clip of T steps, whole and in B versions.

    Attributes:
        scores: (E,), probability of each event that it is heard while its source is in sight.
        chosen: (), the event that the following is about.
        logits, by_sight, by_sound: (B,), the logit of its probability and its two summands, up to a constant.
        when_audio, when_visual: (T,), weights of the steps, each sums to 1.
        where: (T, G, G), weights of all cells, sums to 1.
        reference_events, reference_window: (K, E) and (K, Da), sounds to be put in place of the clip's own.
    """

    scores: Floats
    chosen: Integers
    logits: Floats
    by_sight: Floats
    by_sound: Floats
    when_audio: Floats
    when_visual: Floats
    where: Floats
    reference_events: Floats
    reference_window: Floats


def check_contract(
    entry: GraphFile, role: str, *, inputs: Mapping[str, str], outputs: Mapping[str, str]
) -> None:
    """Raises BundleError if the manifest declares other inputs or outputs than a graph of that role has."""
    for kind, expected, declared in (("input", inputs, entry.inputs), ("output", outputs, entry.outputs)):
        found = {spec.name: spec.dtype for spec in declared}
        if found == expected:
            continue
        if role not in _ENCODERS and kind == "input" and found and found.items() <= expected.items():
            continue
        raise BundleError(f"{entry.path}: {kind}s {found}, but the {role} graph has {dict(expected)}")
