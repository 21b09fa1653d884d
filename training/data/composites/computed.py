"""Sounds of machines and things, computed.

Each function draws one rendition, float64 mono at 16 kHz and at any level, from a random generator; `MAKERS`
has them by the names that the inventory uses. Kept are those in which YAMNet hears what they are meant to be.
Clean tones it takes for a synthesiser: what makes the difference is unsteadiness, noise and a room.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.data.composites.synthesis import (
    Wave,
    amid,
    band,
    burst,
    drift,
    gate,
    hiss,
    in_room,
    low_pass,
    modes,
    pulses,
    times,
    tone,
    unit,
)
from training.data.composites.waves import RATE_HZ

Maker = Callable[[float, np.random.Generator], Wave]

# Orders of an engine's vibration, in firings, and their amplitudes.
_ORDERS = (
    (0.5, 0.6), (1, 1.0), (1.5, 0.6), (2, 0.8), (2.5, 0.4), (3, 0.6), (3.5, 0.3), (4, 0.5), (5, 0.35),
    (6, 0.3), (8, 0.2), (10, 0.15), (12, 0.1), (16, 0.08),
)  # fmt: skip
# Partials of a cast bell: hum, prime, tierce, quint, nominal and above; ratio, decay in s, amplitude.
_BELL = (
    (0.5, 5.0, 0.5), (1, 2.5, 0.8), (1.19, 2.2, 0.9), (1.5, 1.2, 0.3), (2, 1.4, 1.0), (2.51, 0.7, 0.5),
    (2.66, 0.6, 0.4), (3.01, 0.5, 0.5), (4.17, 0.3, 0.5), (5.4, 0.2, 0.4), (6.8, 0.12, 0.3),
)  # fmt: skip


def car_horn(duration_s: float, rng: np.random.Generator) -> Wave:
    """Two reeds a third apart, honked a few times."""
    base_hz = rng.uniform(330, 460)
    reeds = tone(base_hz, duration_s, slope=0.8) + tone(base_hz * 1.26, duration_s, slope=0.8)
    honks = gate(duration_s, rng.uniform(0.3, 1.2), rng.uniform(0.12, 0.35), edge_s=0.02)
    return band(np.tanh(0.8 * reeds) * honks, 300, 5_000)


def train_horn(duration_s: float, rng: np.random.Generator) -> Wave:
    """Five chimes of a locomotive, far-reaching."""
    chord = _chord(rng.uniform(250, 330), (1, 1.19, 1.335, 1.5, 1.78), duration_s, rng, slope=0.6)
    blast = np.tanh(1.2 * chord) * gate(duration_s, rng.uniform(1.2, 2.0), 0.6, edge_s=0.15)
    distant = in_room(band(blast, 250, 5_000), rng, decay_s=1.2, share=0.6)
    return amid(distant, hiss(duration_s, rng, 80, 3_000), snr_db=12)


def steam_whistle(duration_s: float, rng: np.random.Generator) -> Wave:
    """Three pipes and the steam that blows them."""
    chord = _chord(rng.uniform(500, 750), (1, 1.2, 1.5), duration_s, rng, slope=1.2)
    blown = unit(chord) + 0.35 * hiss(duration_s, rng, 500, 5_000)
    return in_room(
        blown * gate(duration_s, rng.uniform(0.8, 1.5), 0.4, edge_s=0.1), rng, decay_s=0.8, share=0.4
    )


def foghorn(duration_s: float, rng: np.random.Generator) -> Wave:
    """A ship's low blast over the water."""
    blast = _chord(rng.uniform(85, 140), (1,), duration_s, rng, slope=0.5)
    blast = np.tanh(2 * blast) * gate(duration_s, rng.uniform(1.5, 2.5), 0.8, edge_s=0.25)
    distant = in_room(band(blast, 80, 1_500), rng, decay_s=2.0, share=0.7)
    return amid(distant, hiss(duration_s, rng, 100, 2_000), snr_db=20)


def siren(duration_s: float, rng: np.random.Generator) -> Wave:
    """Wail, yelp or two tones, as emergency vehicles have them, in a street."""
    t, style = times(duration_s), rng.integers(3)
    low_hz, high_hz = rng.uniform(500, 650), rng.uniform(1_100, 1_500)
    if style == 0:
        course = 0.5 - 0.5 * np.cos(2 * np.pi * t / rng.uniform(2.5, 4.5))
    elif style == 1:
        course = (t * rng.uniform(2.5, 4.0)) % 1.0
    else:
        course = ((t / rng.uniform(0.45, 0.6)) % 2 >= 1).astype(np.float64)
        high_hz = low_hz * 4 / 3
    wail = band(np.tanh(1.5 * tone(low_hz + (high_hz - low_hz) * course, duration_s, slope=1.0)), 300, 5_000)
    return amid(in_room(wail, rng, decay_s=0.5, share=0.3), hiss(duration_s, rng, 80, 2_000), snr_db=18)


def car_engine(duration_s: float, rng: np.random.Generator) -> Wave:
    """A four-cylinder that is driven."""
    return _engine(duration_s, rng, firings_hz=(70, 110), noise=0.3, noise_hz=(200, 5_000))


def lorry_engine(duration_s: float, rng: np.random.Generator) -> Wave:
    """A large diesel at work."""
    course = 1 + 0.05 * drift(duration_s, rng, step_s=0.5)
    return _engine(
        duration_s, rng, firings_hz=(50, 75), noise=0.2, noise_hz=(100, 5_000), course=course, drive=3.0
    )


def tractor_engine(duration_s: float, rng: np.random.Generator) -> Wave:
    """A slow diesel that idles."""
    course = 1 + 0.05 * drift(duration_s, rng, step_s=0.5)
    return _engine(
        duration_s, rng, firings_hz=(25, 32), noise=0.3, noise_hz=(200, 5_000), course=course, room_s=0.15
    )


def motorcycle(duration_s: float, rng: np.random.Generator) -> Wave:
    """An engine that is revved again and again."""
    rev_s = rng.uniform(1.2, 3.0)
    course = np.interp(times(duration_s) % rev_s, [0, 0.4, rev_s], [0.65, 1.6, 0.7])
    return _engine(
        duration_s, rng, firings_hz=(80, 140), noise=0.2, noise_hz=(200, 5_000), course=course, drive=3.0
    )


def race_car(duration_s: float, rng: np.random.Generator) -> Wave:
    """A fast engine with gear changes."""
    course = 0.6 + 0.5 * ((times(duration_s) / rng.uniform(0.9, 1.6)) % 1.0)
    return _engine(duration_s, rng, firings_hz=(140, 200), noise=0.25, noise_hz=(200, 5_000), course=course)


def propeller(duration_s: float, rng: np.random.Generator) -> Wave:
    """A piston engine at constant speed, in the open."""
    course = 1 + 0.03 * drift(duration_s, rng, step_s=0.5)
    return _engine(
        duration_s, rng, firings_hz=(75, 100), noise=0.4, noise_hz=(100, 3_000), course=course, room_s=1.0
    )


def jet(duration_s: float, rng: np.random.Generator) -> Wave:
    """The whine of a fan in the roar of its air."""
    pitch = rng.uniform(1_800, 2_600) * (1 + 0.01 * drift(duration_s, rng, step_s=0.3))
    whine = tone(pitch, duration_s, slope=1.5, n_max=3) * (
        1 + 0.1 * np.sin(2 * np.pi * 20 * times(duration_s))
    )
    roar = hiss(duration_s, rng, 1_500, 7_000) + 0.6 * hiss(duration_s, rng, 100, 900)
    return in_room(unit(whine) + 0.45 * roar, rng, decay_s=0.3, share=0.3)


def helicopter(duration_s: float, rng: np.random.Generator) -> Wave:
    """A turbine, and a rotor that chops its sound."""
    beat = np.sin(2 * np.pi * rng.uniform(14, 22) * times(duration_s))
    pitch = rng.uniform(1_500, 2_300) * (1 + 0.01 * drift(duration_s, rng, step_s=0.3))
    turbine = unit(tone(pitch, duration_s, slope=1.5, n_max=3)) + 0.5 * hiss(duration_s, rng, 1_500, 7_000)
    wash = hiss(duration_s, rng, 80, 1_800)
    return in_room(0.5 * turbine * (1 + 0.3 * beat) + wash * (0.7 + 0.5 * beat), rng, decay_s=0.5, share=0.4)


def machine_gun(duration_s: float, rng: np.random.Generator) -> Wave:
    """Shots so fast that they are one rattle, in the open."""
    turns = 2 * np.pi * rng.uniform(11, 18) * times(duration_s)
    shots = hiss(duration_s, rng, 80, 2_500) * np.clip(
        0.55 + 0.45 * np.sin(turns) + 0.2 * np.sin(2 * turns + 1), 0, None
    )
    thumps = unit(band(np.sin(turns) ** 9, 20, 300))
    return in_room(shots + 0.8 * thumps, rng, decay_s=0.8, share=0.5)


def bicycle_bell(duration_s: float, rng: np.random.Generator) -> Wave:
    """A small bell that is rung twice, and again."""
    base_hz = rng.uniform(2_050, 2_600)
    ratios = ((1, 0.5, 1.0), (1.003, 0.6, 0.7), (1.506, 0.35, 0.6), (2.2, 0.2, 0.4))
    ring = modes([(base_hz * ratio, decay, level) for ratio, decay, level in ratios], 1.5)
    trill = pulses(2.0, np.arange(0, 0.36, 0.06), lambda index: ring * (0.6 + 0.4 * (index % 2)))
    return pulses(duration_s, np.arange(0, duration_s, rng.uniform(0.8, 1.3)), lambda _: trill)


def church_bell(duration_s: float, rng: np.random.Generator) -> Wave:
    """A cast bell that tolls, with the beats of its two halves."""
    strike_hz = rng.uniform(350, 650)
    halves = [
        (ratio * strike_hz * side, decay, level * (1.6 - side * 0.6))
        for side in (1, 1.004)
        for ratio, decay, level in _BELL
    ]
    toll = modes(halves, 5.0)
    toll[:200] += 0.8 * rng.standard_normal(200) * np.linspace(1, 0, 200)  # the clapper
    tolls = np.arange(0, duration_s, rng.uniform(0.9, 1.7))
    return in_room(pulses(duration_s, tolls, lambda _: toll), rng, decay_s=1.5, share=0.45)


def telephone(duration_s: float, rng: np.random.Generator) -> Wave:
    """A clapper between two gongs."""
    low_hz = rng.uniform(850, 1_250)
    gongs = [
        modes([(pitch_hz, 0.25, 1.0), (pitch_hz * 2.76, 0.15, 0.5), (pitch_hz * 5.4, 0.06, 0.3)], 0.6)
        for pitch_hz in (low_hz, low_hz * rng.uniform(1.15, 1.3))
    ]
    strokes = np.arange(0, duration_s, 1 / rng.uniform(18, 26))
    ring = pulses(duration_s, strokes, lambda index: gongs[index % 2])
    return ring * gate(duration_s, rng.uniform(0.9, 1.6), rng.uniform(0.4, 0.8), edge_s=0.05)


def ringtone(duration_s: float, rng: np.random.Generator) -> Wave:
    """A tune of beeps, as a mobile telephone plays it."""
    base_hz, note_s = rng.uniform(900, 1_200), rng.uniform(0.09, 0.15)
    beeps = [
        tone(base_hz * 2 ** (step / 12), note_s, slope=1.0, n_max=5) * gate(note_s, 0.9 * note_s, note_s)
        for step in rng.choice([0, 2, 4, 7, 9, 12, 14, 16], size=8)
    ]
    tune = pulses(duration_s, np.arange(0, duration_s, note_s), lambda index: beeps[index % len(beeps)])
    return tune * gate(duration_s, 8 * note_s, 4 * note_s)


def microwave(duration_s: float, rng: np.random.Generator) -> Wave:
    """The hum of a transformer and a fan, and the beeps when it is done."""
    hum = 0.5 * unit(tone(rng.choice([100.0, 120.0]), duration_s, slope=0.5, n_max=20))
    beep = tone(rng.uniform(1_900, 2_200), 0.4, slope=2, n_max=3)
    done_s = rng.uniform(1.0, 2.0) + np.arange(0, duration_s, 0.65)
    return hum + 0.4 * hiss(duration_s, rng, 200, 1_500) + pulses(duration_s, done_s, lambda _: beep)


def hammering(duration_s: float, rng: np.random.Generator) -> Wave:
    """Blows on wood."""
    blows = np.arange(0, duration_s, 1 / rng.uniform(2.2, 4.0))
    blow = band(burst(0.3, rng, decay=6), 150, 3_000, order=1)
    return in_room(
        pulses(duration_s, blows, lambda _: blow * rng.uniform(0.7, 1)), rng, decay_s=0.3, share=0.3
    )


def fire(duration_s: float, rng: np.random.Generator) -> Wave:
    """Crackles at random over a low roar."""
    snaps = np.sort(rng.uniform(0, duration_s, int(duration_s * rng.uniform(60, 95))))
    roar = low_pass(rng.standard_normal(round(duration_s * RATE_HZ)), 500)
    roar *= 1 + 0.3 * drift(duration_s, rng, step_s=0.2)
    crackle = pulses(duration_s, snaps, lambda _: _snap(rng))
    return in_room(unit(crackle) + 0.25 * unit(roar), rng, decay_s=0.2, share=0.25)


def water(duration_s: float, rng: np.random.Generator) -> Wave:
    """Falling water: a hiss, and bubbles that each chirp upwards."""
    bubbles = pulses(
        duration_s, np.sort(rng.uniform(0, duration_s, int(60 * duration_s))), lambda _: _bubble(rng)
    )
    falls = hiss(duration_s, rng, 400, 6_500) * (1 + 0.1 * drift(duration_s, rng, step_s=0.1))
    return falls + rng.uniform(0.2, 0.5) * unit(bubbles)


def explosion(duration_s: float, rng: np.random.Generator) -> Wave:
    """Blasts with a long low tail."""
    return pulses(
        duration_s, np.arange(0.02, duration_s, rng.uniform(1.6, 2.6)), lambda _: _blast(rng, 2.5, 900)
    )


def fireworks(duration_s: float, rng: np.random.Generator) -> Wave:
    """Shells at different distances, some with a crackling tail."""
    return pulses(duration_s, np.cumsum(rng.uniform(0.25, 0.9, int(4 * duration_s))), lambda _: _shell(rng))


def cricket(duration_s: float, rng: np.random.Generator) -> Wave:
    """Chirps of four strokes of the wing."""
    t = times(0.018)
    stroke = np.sin(2 * np.pi * rng.uniform(4_200, 5_200) * t) * np.hanning(len(t))
    chirps = np.arange(0, duration_s, rng.uniform(0.3, 0.6))
    strokes = (chirps[:, None] + np.arange(0, 0.1, 0.028)).ravel()
    return pulses(duration_s, strokes, lambda _: stroke)


def sonar(duration_s: float, rng: np.random.Generator) -> Wave:
    """Pings and their long echo under water."""
    ping = modes([(rng.uniform(900, 1_500), 0.35, 1.0)], 1.5)
    pings = pulses(duration_s, np.arange(0.05, duration_s, rng.uniform(1.3, 1.8)), lambda _: ping)
    return in_room(pings, rng, decay_s=2.5, share=0.6)


def _chord(
    base_hz: float, ratios: tuple[float, ...], duration_s: float, rng: np.random.Generator, *, slope: float
) -> Wave:
    """Pipes whose pitch is never quite steady."""
    return np.sum(
        [
            tone(base_hz * ratio * (1 + 0.004 * drift(duration_s, rng, step_s=0.3)), duration_s, slope=slope)
            for ratio in ratios
        ],
        axis=0,
    )


def _engine(
    duration_s: float,
    rng: np.random.Generator,
    *,
    firings_hz: tuple[float, float],
    noise: float,
    noise_hz: tuple[float, float],
    course: Wave | None = None,
    drive: float = 1.5,
    room_s: float = 0.4,
) -> Wave:
    """A piston engine: orders of its firing rate, overdriven, and exhaust noise that pulses with them.

    `course` is its speed over time as a factor; it accelerates and slows at random if none is given.
    """
    if course is None:
        course = np.clip(0.8 + 0.35 * drift(duration_s, rng, step_s=0.7), 0.45, 1.5)
    rate = rng.uniform(*firings_hz) * course * (1 + 0.01 * drift(duration_s, rng, step_s=0.05))
    turns = np.cumsum(rate) / RATE_HZ
    hum = np.sum([level * np.sin(2 * np.pi * order * turns + order**2) for order, level in _ORDERS], axis=0)
    exhaust = hiss(duration_s, rng, *noise_hz) * (0.6 + 0.4 * np.sin(2 * np.pi * turns))
    return in_room(np.tanh(drive * hum) + noise * exhaust, rng, decay_s=room_s, share=0.4)


def _snap(rng: np.random.Generator) -> Wave:
    low_hz = rng.uniform(500, 2_500)
    snap = band(burst(rng.uniform(0.004, 0.02), rng, decay=9), low_hz, 2.5 * low_hz, order=1)
    return min(6.0, 0.4 + rng.pareto(1.8)) * snap


def _bubble(rng: np.random.Generator) -> Wave:
    t = times(0.04)
    return (
        rng.uniform(0.2, 1) ** 2
        * np.sin(2 * np.pi * rng.uniform(400, 1_800) * t * (1 + 2 * t))
        * np.exp(-90 * t)
    )


def _blast(rng: np.random.Generator, length_s: float, bright_hz: float) -> Wave:
    t = times(length_s)
    noise = rng.standard_normal(len(t))
    crack = low_pass(noise, 4 * bright_hz) * np.exp(-t / 0.05)
    boom = low_pass(noise, bright_hz) * np.exp(-5 * t / length_s)
    rumble = low_pass(noise, 150) * np.exp(-2.5 * t / length_s)
    return np.tanh(3 * (crack + 1.5 * boom + 3 * rumble))


def _shell(rng: np.random.Generator) -> Wave:
    wave = rng.uniform(0.3, 1) * _blast(rng, 1.2, rng.uniform(400, 1_500))
    if rng.random() < 0.5:
        tail = pulses(1.2, np.sort(rng.uniform(0.1, 0.9, 60)), lambda _: _snap(rng))
        wave = wave + 0.15 * unit(tail)
    return wave


MAKERS: dict[str, Maker] = {
    maker.__name__.replace("_", "-"): maker
    for maker in (
        car_horn, train_horn, steam_whistle, foghorn, siren, car_engine, lorry_engine, tractor_engine,
        motorcycle, race_car, propeller, jet, helicopter, machine_gun, bicycle_bell, church_bell, telephone,
        ringtone, microwave, hammering, fire, water, explosion, fireworks, cricket, sonar,
    )
}  # fmt: skip
