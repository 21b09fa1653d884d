"""Sounds of different kinds, to be put in the place of a clip's own: "what if a dog were heard?"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from app.inference.bundle import Bundle
from app.pipeline.encode import ChunkEncoder
from training.data.composites.collection import Sources, hear, load_collection
from training.data.composites.inventory import CompositeError
from training.data.composites.waves import RATE_HZ, Waveform

_LENGTH_S = 2.0
_PEAK = 0.5

# What a sound is called to the kind of the composed scenes that makes it: chosen so that the audio encoder
# hears what it is.
_KINDS = {
    "dog": "dog",
    "cat": "cat",
    "crow": "crow",
    "speech": "woman",
    "piano": "piano",
    "violin": "violin",
    "trumpet": "trumpet",
    "drums": "drum kit",
    "siren": "fire engine",
    "engine": "lorry",
    "church bell": "church",
    "telephone": "telephone",
}


class References(NamedTuple):
    """K sounds as an audio encoder hears them.

    Attributes:
        names: K names.
        events: (K, E) in [0, 1], scores of all events.
        window: (K, Da), embedding of one window in the middle.
    """

    names: tuple[str, ...]
    events: Tensor
    window: Tensor


def encode_references(bundle: Bundle, sounds: Mapping[str, Waveform]) -> References:
    """Sounds (n,) at 16 kHz, by name, as the audio encoder of a bundle hears them."""
    heard = [_encode(bundle, wave) for wave in sounds.values()]
    events, window = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*heard, strict=True))
    return References(tuple(sounds), events, window)


def reference_sounds() -> dict[str, Waveform]:
    """Two seconds of each, short ones repeated, with the voices of the composed scenes' training part.

    Those are left out that need a program which is not installed.

    Raises:
        CompositeError: the recordings cannot be fetched, or none can be played.
    """
    kinds = {kind.name: kind for kind in load_collection(Sources()).part("train")}
    sounds = {
        name: _levelled(hear(kinds[kind].recordings[0]))
        for name, kind in _KINDS.items()
        if kind in kinds and kinds[kind].recordings
    }
    if not sounds:
        raise CompositeError("none of the sounds can be played that take the place of a clip's own")
    return sounds


def _levelled(wave: Waveform) -> Waveform:
    whole = np.resize(wave, round(_LENGTH_S * RATE_HZ))
    level = np.float32(_PEAK / np.abs(whole).max())
    return level * whole


def _encode(bundle: Bundle, wave: Waveform) -> tuple[Waveform, Waveform]:
    """Events (1, E) and window (1, Da) in the middle of a sound."""
    encoder, middle_s = ChunkEncoder(bundle), np.array([len(wave) / RATE_HZ / 2])
    events, _ = encoder.hear(wave, 0.0, middle_s)
    return events, encoder.nearest(middle_s)
