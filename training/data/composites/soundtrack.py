"""The sound of a scene: each recording in its spans, and noise below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.data.composites.cast import Sounding
from training.data.composites.collection import hear
from training.data.composites.waves import RATE_HZ, Waveform, fill, loudness, stretch

COMMON_LEVEL = 0.1
"""Root mean square that recordings are brought to, before each scene's own level."""

_PEAK = 0.95


@dataclass(frozen=True, slots=True)
class Noise:
    """Steady background noise.

    Attributes:
        level_db: below the common level.
        colour: exponent of its spectrum: 0 white, 1 pink, 2 brown.
        seed: of the samples.
    """

    level_db: float
    colour: float
    seed: int


def mix(sounds: Sequence[Sounding], noise: Noise | None, *, duration_s: float) -> Waveform:
    """Everything that is heard, (N,) mono at 16 kHz; outside the spans exactly the noise.

    Raises:
        CompositeError: a recording cannot be read or rendered.
    """
    track = np.zeros(round(duration_s * RATE_HZ), np.float32)
    for sound in sounds:
        _add(track, sound)
    if noise is not None:
        track += _noise(noise, len(track))
    peak = float(np.abs(track).max(initial=0.0))
    return track * np.float32(_PEAK / peak) if peak > _PEAK else track


def _add(track: Waveform, sound: Sounding) -> None:
    rng = np.random.default_rng(sound.seed)
    wave = stretch(hear(sound.recording), sound.speed)
    gain = COMMON_LEVEL / max(1e-6, loudness(wave)) * 10 ** (sound.level_db / 20)
    for onset_s, offset_s in sound.spans:
        start, end = round(onset_s * RATE_HZ), round(offset_s * RATE_HZ)
        track[start:end] += np.float32(gain) * fill(wave, end - start, rng, gap_s=sound.kind.gap_s)


def _noise(noise: Noise, n_samples: int) -> Waveform:
    rng = np.random.default_rng(noise.seed)
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    frequencies = np.fft.rfftfreq(n_samples, 1 / RATE_HZ)
    spectrum *= np.maximum(frequencies, 30.0) ** (-noise.colour / 2)
    spectrum[0] = 0.0
    wave = np.fft.irfft(spectrum, n_samples)
    return (wave / wave.std() * COMMON_LEVEL * 10 ** (noise.level_db / 20)).astype(np.float32)
