"""Speakers: made-up sentences, spoken by eSpeak NG."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from training.data.composites.tools import ToolMissing
from training.data.composites.waves import RATE_HZ, Waveform, read_sound

PROGRAM = "espeak-ng"
_ADVICE = "install it, on Debian with `apt-get install espeak-ng`"
_TIMEOUT_S = 30

_WORDS = (
    "river bridge market morning seven green boats window silver carry yellow nobody bread monday garden "
    "under old slowly mountain answer paper winter open letter station before summer copper listen evening "
    "across island number never quiet little engine water corner harbour second village always between "
    "forest during candle remember travel music yesterday around kitchen thousand follow weather bottle"
)


def missing() -> str:
    """What is missing to speak, and what to do; empty if nothing is."""
    return "" if shutil.which(PROGRAM) else f"{PROGRAM} is missing: {_ADVICE}"


def speak(voice: str, rng: np.random.Generator, *, duration_s: float) -> Waveform:
    """Sentences without sense in a voice of eSpeak NG.

    Raises:
        ToolMissing: eSpeak NG is missing, does not know the voice, or failed.
    """
    lack = missing()
    if lack:
        raise ToolMissing(lack)
    pitch, words_per_minute = int(rng.integers(30, 70)), int(rng.integers(135, 185))
    text = _sentences(rng, n_words=round(duration_s * words_per_minute / 60 * 1.3))
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "speech.wav"
        options = ["-v", voice, "-p", str(pitch), "-s", str(words_per_minute), "-w", str(sound)]
        try:
            subprocess.run([PROGRAM, *options, text], check=True, capture_output=True, timeout=_TIMEOUT_S)
            wave = read_sound(sound)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise ToolMissing(f"{PROGRAM} failed with the voice {voice}: {error}") from error
    return wave[: round(duration_s * RATE_HZ)]


def _sentences(rng: np.random.Generator, *, n_words: int) -> str:
    words = [str(word) for word in rng.choice(_WORDS.split(), size=n_words)]
    for start in range(0, n_words, 9):
        words[min(start + int(rng.integers(5, 9)), n_words - 1)] += "."
    return " ".join(words)
