"""What computed sounds are made of: tones, noise, struck bodies, gates and rooms; float64 at 16 kHz."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, fftconvolve, sosfilt

from training.data.composites.waves import RATE_HZ

Wave = npt.NDArray[np.float64]

HIGHEST_HZ = 7_500.0


def times(duration_s: float) -> Wave:
    """Sample times in seconds."""
    return np.arange(round(duration_s * RATE_HZ)) / RATE_HZ


def unit(wave: Wave) -> Wave:
    """At deviation 1; silence stays silence."""
    deviation = wave.std()
    return wave / deviation if deviation else wave


def band(wave: Wave, low_hz: float, high_hz: float, *, order: int = 2) -> Wave:
    """Butterworth band pass."""
    edges = [low_hz, min(high_hz, HIGHEST_HZ)]
    return sosfilt(butter(order, edges, "band", fs=RATE_HZ, output="sos"), wave)


def low_pass(wave: Wave, corner_hz: float, *, order: int = 2) -> Wave:
    """Butterworth low pass."""
    return sosfilt(butter(order, corner_hz, "low", fs=RATE_HZ, output="sos"), wave)


def hiss(duration_s: float, rng: np.random.Generator, low_hz: float, high_hz: float) -> Wave:
    """Noise between two frequencies, with gentle flanks, at deviation 1."""
    return unit(band(rng.standard_normal(round(duration_s * RATE_HZ)), low_hz, high_hz, order=1))


def drift(duration_s: float, rng: np.random.Generator, *, step_s: float) -> Wave:
    """Random course with deviation 1 that turns about every `step_s`."""
    n = max(4, round(duration_s / step_s) + 3)
    knots = rng.standard_normal(n)
    return np.interp(np.linspace(0, n - 1, round(duration_s * RATE_HZ)), np.arange(n), knots)


def tone(pitch_hz: float | Wave, duration_s: float, *, slope: float, n_max: int = 40) -> Wave:
    """Harmonics of a pitch that may change, the k-th with amplitude k ** -slope."""
    pitch = np.broadcast_to(np.asarray(pitch_hz, np.float64), (round(duration_s * RATE_HZ),))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    highest = min(n_max, max(1, int(HIGHEST_HZ / pitch.max())))
    return np.sum([np.sin(k * phase + k) / k**slope for k in range(1, highest + 1)], axis=0)


def modes(partials: Iterable[tuple[float, float, float]], duration_s: float) -> Wave:
    """A struck body: partials (frequency in Hz, decay time in s, amplitude) that ring out."""
    t = times(duration_s)
    audible = [partial for partial in partials if partial[0] < HIGHEST_HZ]
    return np.sum(
        [level * np.sin(2 * np.pi * f * t) * np.exp(-t / decay) for f, decay, level in audible], axis=0
    )


def burst(duration_s: float, rng: np.random.Generator, *, decay: float) -> Wave:
    """Noise that fades by `decay` nepers over its length."""
    n = round(duration_s * RATE_HZ)
    return rng.standard_normal(n) * np.exp(-np.linspace(0, decay, n))


def pulses(duration_s: float, starts_s: Wave, piece: Callable[[int], Wave]) -> Wave:
    """Pieces added up, the i-th from `starts_s[i]`; what lies beyond the end is left out."""
    total = np.zeros(round(duration_s * RATE_HZ))
    for index, start_s in enumerate(starts_s[starts_s < duration_s]):
        start = round(start_s * RATE_HZ)
        part = piece(index)[: len(total) - start]
        total[start : start + len(part)] += part
    return total


def gate(duration_s: float, on_s: float, off_s: float, *, edge_s: float = 0.01) -> Wave:
    """1 for `on_s`, then 0 for `off_s`, and again, with edges of `edge_s`."""
    position = times(duration_s) % (on_s + off_s)
    return np.clip(position / edge_s, 0, 1) * np.clip((on_s - position) / edge_s, 0, 1)


def in_room(wave: Wave, rng: np.random.Generator, *, decay_s: float, share: float) -> Wave:
    """With the echoes of a room or a street: dull noise that dies down within `decay_s`."""
    n = round(2 * decay_s * RATE_HZ)
    echo = low_pass(rng.standard_normal(n) * np.exp(-6.9 * np.arange(n) / n), 4_000)
    return unit(wave) * (1 - share) + share * unit(fftconvolve(wave, echo)[: len(wave)])


def amid(wave: Wave, noise: Wave, *, snr_db: float) -> Wave:
    """With noise below it."""
    return unit(wave) + unit(noise) * 10 ** (-snr_db / 20)
