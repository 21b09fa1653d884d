"""Sounds that are rendered on demand: a voice is an instrument, a speaker or a machine; a take one rendition.

A take is the same on every machine with the same programs: all that is random in it follows from its id.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.results.replacing import replacing
from training.data.composites import midi, speech
from training.data.composites.computed import MAKERS
from training.data.composites.inventory import MidiVoice
from training.data.composites.waves import Waveform
from training.encoders.weights import cache_dir

TAKE_S = 8.0

Engine = Literal["midi", "speech", "computed"]


@dataclass(frozen=True, slots=True)
class Voice:
    """What renders takes.

    Attributes:
        engine: FluidSynth, eSpeak NG, or a function of `computed`.
        name: General MIDI program, eSpeak voice, or name in `computed.MAKERS`.
        playing: how the instrument is played, for `midi`.
    """

    engine: Engine
    name: str
    playing: MidiVoice | None = None


def render(voice: Voice, take_id: str) -> Waveform:
    """One take, at any level.

    Raises:
        ToolMissing: the program that renders it is not installed, or failed.
    """
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(take_id.encode()).digest()[:8], "big"))
    if voice.engine == "computed":
        return MAKERS[voice.name](TAKE_S, rng).astype(np.float32)
    if voice.engine == "speech":
        return speech.speak(voice.name, rng, duration_s=TAKE_S)
    assert voice.playing is not None
    return _played(voice.playing, int(voice.name), take_id, rng)


def _played(playing: MidiVoice, program: int, take_id: str, rng: np.random.Generator) -> Waveform:
    """Instruments take a third of a second, most of it for reading the sound font: they are kept on disk."""
    facts = f"{take_id} {playing.model_dump_json()} {midi.VERSION} {midi.soundfont()}"
    kept = cache_dir() / "composites" / f"{hashlib.sha256(facts.encode()).hexdigest()[:24]}.npy"
    if kept.is_file():
        return np.load(kept).astype(np.float32)
    wave = midi.play(playing, program, rng, duration_s=TAKE_S).astype(np.float16)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with replacing(kept) as part, part.open("wb") as file:  # others may render the same take
        np.save(file, wave)
    return wave.astype(np.float32)
