"""Sounds for the sample clip, computed: no recording, so nobody's rights.

Each function returns mono float64 in [-1, 1] at `RATE_HZ`, `duration_s` long, and always the same samples.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

RATE_HZ = 44_100
PEAK = 0.7

Wave = npt.NDArray[np.float64]

# Open-position guitar chords, lowest string first, in Hz.
_E_MINOR = (82.4, 123.5, 164.8, 196.0, 246.9, 329.6)
_G_MAJOR = (98.0, 123.5, 146.8, 196.0, 246.9, 392.0)
_D_MAJOR = (146.8, 220.0, 293.7, 370.0)
_A_MAJOR = (110.0, 164.8, 220.0, 277.2, 329.6)
_CHORDS = (_E_MINOR, _G_MAJOR, _D_MAJOR, _A_MAJOR)
_BODY_RESONANCES = ((100.0, 12.0, 1.2), (205.0, 14.0, 0.8), (400.0, 10.0, 0.4))  # Hz, quality, gain


def guitar(duration_s: float) -> Wave:
    """Strummed chords: strings after Karplus and Strong (1983), body resonances and a small room."""
    rng = np.random.default_rng(0)
    wave = np.zeros(_samples(duration_s + 2.0))
    start_s = 0.0
    for stroke in range(1000):
        if start_s >= duration_s:
            break
        strings = _CHORDS[stroke // 2 % len(_CHORDS)]
        down = stroke % 2 == 0
        for order, pitch_hz in enumerate(strings if down else strings[::-1]):
            _add(wave, _pluck(pitch_hz, 1.8, rng), start_s + 0.015 * order)
        start_s += 0.5 if down else 0.3
    wave = _resonate(wave[: _samples(duration_s)])
    return _finish(_reverberate(wave, rng), 80, 9_000)


def car_horn(duration_s: float) -> Wave:
    """A two-tone horn: short, short, long, as often as there is room."""
    time_s = np.arange(_samples(duration_s)) / RATE_HZ
    gate = np.zeros_like(time_s)
    for round_s in np.arange(0.0, duration_s, 3.0):
        for start_s, length_s in ((0.0, 0.35), (0.5, 0.35), (1.1, 1.6)):
            inside = time_s - round_s - start_s
            pulse = np.clip(inside / 0.02, 0, 1) * np.clip((length_s - inside) / 0.03, 0, 1)
            gate = np.maximum(gate, pulse)
    tones = sum(_harmonics(pitch_hz, time_s, slope=0.8, highest_hz=9_000) for pitch_hz in (415.0, 523.0))
    return _finish(np.tanh(0.8 * tones) * gate, 300, 5_000)


def _samples(duration_s: float) -> int:
    return round(duration_s * RATE_HZ)


def _add(wave: Wave, piece: Wave, start_s: float) -> None:
    start = _samples(start_s)
    end = min(len(wave), start + len(piece))
    wave[start:end] += piece[: end - start]


def _pluck(pitch_hz: float, duration_s: float, rng: np.random.Generator) -> Wave:
    """One string: a burst of noise in a loop whose low-pass filter lets the high harmonics die first."""
    period = int(RATE_HZ / pitch_hz)
    burst = rng.uniform(-1, 1, period)
    burst = (burst + np.roll(burst, 1)) / 2
    burst -= np.roll(burst, max(1, int(0.13 * period)))  # plucked at 13 % of the string's length
    excitation = np.zeros(_samples(duration_s))
    excitation[:period] = burst
    loop = np.zeros(period + 2)
    loop[0] = 1.0
    loop[period:] = -0.998 / 2
    return lfilter([1.0], loop, excitation)


def _resonate(wave: Wave) -> Wave:
    out = wave.copy()
    for pitch_hz, quality, gain in _BODY_RESONANCES:
        angle = 2 * np.pi * pitch_hz / RATE_HZ
        radius = 1 - angle / (2 * quality)
        out += gain * lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], wave)
    return out / np.abs(out).max()


def _reverberate(wave: Wave, rng: np.random.Generator) -> Wave:
    n = _samples(0.5)
    echo = rng.standard_normal(n) * np.exp(-4 * np.arange(n) / n)
    echo /= np.sqrt((echo**2).sum())
    return wave + 0.1 * fftconvolve(wave, echo)[: len(wave)]


def _harmonics(pitch_hz: float, time_s: Wave, *, slope: float, highest_hz: float) -> Wave:
    orders = range(1, int(highest_hz / pitch_hz) + 1)
    return np.sum([np.sin(2 * np.pi * pitch_hz * k * time_s + k) / k**slope for k in orders], axis=0)


def _finish(wave: Wave, low_hz: float, high_hz: float) -> Wave:
    """Band-limited, faded in and out, at the common peak."""
    wave = sosfilt(butter(2, [low_hz, high_hz], "band", fs=RATE_HZ, output="sos"), wave)
    rise, fall = _samples(0.005), _samples(0.12)
    wave[:rise] *= np.linspace(0, 1, rise)
    wave[-fall:] *= np.linspace(1, 0, fall)
    return PEAK * wave / np.abs(wave).max()
