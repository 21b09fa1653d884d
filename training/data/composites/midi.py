"""Instruments: random music as a MIDI file, played by FluidSynth with a General MIDI sound font."""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from training.data.composites.inventory import MidiVoice, Style
from training.data.composites.tools import ToolMissing
from training.data.composites.waves import RATE_HZ, Waveform, read_sound

VERSION = 1  # of the music: raised when the same take sounds different
PROGRAM = "fluidsynth"
_ADVICE = "install it, on Debian with `apt-get install fluidsynth fluid-soundfont-gm`"
_SOUNDFONTS = (
    Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    Path("/usr/share/sounds/sf2/default-GM.sf2"),
    Path("/usr/share/soundfonts/FluidR3_GM.sf2"),
    Path("/usr/share/soundfonts/default.sf2"),
)
_TIMEOUT_S = 60
_TICKS_PER_S = 960  # 480 ticks a quarter at 120 quarters a minute
_DRUM_CHANNEL = 9

# Scale steps in semitones: major, minor, and both pentatonic scales.
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))
_CHORDS = ((0, 7, 12, 16, 19), (0, 7, 12, 15, 19))  # as a guitar voices major and minor
_KICK, _SNARE, _HAT, _OPEN_HAT, _CRASH, _RIDE, _TOMS = 36, 38, 42, 46, 49, 51, (41, 45, 48)

Note = tuple[float, float, int, int]  # start and length in s, key, velocity
Composer = Callable[[MidiVoice, np.random.Generator, float], list[Note]]


def soundfont() -> Path | None:
    """The first General MIDI sound font that is installed."""
    return next((path for path in _SOUNDFONTS if path.is_file()), None)


def missing() -> str:
    """What is missing to play, and what to do; empty if nothing is."""
    if shutil.which(PROGRAM) is None:
        return f"{PROGRAM} is missing: {_ADVICE}"
    return (
        ""
        if soundfont()
        else f"no General MIDI sound font among {', '.join(map(str, _SOUNDFONTS))}: {_ADVICE}"
    )


def play(voice: MidiVoice, program: int, rng: np.random.Generator, *, duration_s: float) -> Waveform:
    """Random music for an instrument.

    Raises:
        ToolMissing: FluidSynth or a sound font is missing, or it failed.
    """
    lack = missing()
    if lack:
        raise ToolMissing(lack)
    channel = _DRUM_CHANNEL if voice.style == "drums" else 0
    notes = compose(voice, rng, duration_s=duration_s)
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder) / "score.mid", Path(folder) / "sound.wav"
        score.write_bytes(midi_file(notes, program=program, channel=channel))
        options = ["-n", "-i", "-q", "-g", "0.6", "-r", str(RATE_HZ), "-F", str(sound)]
        command = [PROGRAM, *options, str(soundfont()), str(score)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_S)
            wave = read_sound(sound)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise ToolMissing(f"{PROGRAM} failed: {error}") from error
    return wave[: round(duration_s * RATE_HZ)]


def compose(voice: MidiVoice, rng: np.random.Generator, *, duration_s: float) -> list[Note]:
    """Random music in the style of an instrument."""
    return _COMPOSERS[voice.style](voice, rng, duration_s)


def midi_file(notes: list[Note], *, program: int, channel: int) -> bytes:
    """A standard MIDI file, format 0, that plays the notes."""
    events = [(0, bytes([0xC0 | channel, program]))]
    for start_s, length_s, key, velocity in notes:
        events.append((round(start_s * _TICKS_PER_S), bytes([0x90 | channel, key, velocity])))
        events.append((round((start_s + length_s) * _TICKS_PER_S), bytes([0x80 | channel, key, 0])))
    track, now = bytearray(b"\x00\xff\x51\x03" + (500_000).to_bytes(3, "big")), 0
    for tick, message in sorted(events, key=lambda event: event[0]):
        track += _variable_length(tick - now) + message
        now = tick
    track += b"\x00\xff\x2f\x00"
    return (
        b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480) + b"MTrk" + struct.pack(">I", len(track)) + bytes(track)
    )


def _variable_length(number: int) -> bytes:
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(number & 0x7F | 0x80)
    return bytes(reversed(digits))


def _melody(voice: MidiVoice, rng: np.random.Generator, duration_s: float) -> list[Note]:
    """A walk along a scale."""
    keys = _scale(voice, rng)
    beat_s, position = rng.uniform(0.22, 0.5), int(rng.integers(len(keys)))
    notes, now_s = [], 0.0
    while now_s < duration_s:
        length_s = beat_s * float(rng.choice([0.5, 1, 1, 1, 2]))
        position = int(np.clip(position + rng.choice([-3, -2, -1, -1, 1, 1, 2, 3]), 0, len(keys) - 1))
        notes.append((now_s, 0.95 * length_s, keys[position], int(rng.integers(80, 120))))
        now_s += length_s
    return notes


def _chords(voice: MidiVoice, rng: np.random.Generator, duration_s: float) -> list[Note]:
    """Strummed or picked chords, four strokes each."""
    beat_s, picked = rng.uniform(0.2, 0.45), rng.random() < 0.4
    notes, now_s, stroke = [], 0.0, 0
    chord = _chord(voice, rng)
    while now_s < duration_s:
        if stroke % 4 == 0:
            chord = _chord(voice, rng)
        keys = [int(rng.choice(chord))] if picked else chord[:: 1 if stroke % 2 == 0 else -1]
        for order, key in enumerate(keys):
            notes.append((now_s + 0.012 * order, 1.8 * beat_s, key, int(rng.integers(75, 115))))
        now_s += beat_s
        stroke += 1
    return notes


def _drums(_voice: MidiVoice, rng: np.random.Generator, duration_s: float) -> list[Note]:
    """A beat in eighths with a fill in every fourth bar."""
    beat_s, cymbal = rng.uniform(0.15, 0.28), int(rng.choice([_HAT, _HAT, _RIDE, _OPEN_HAT]))
    kicks = {0, 4, int(rng.integers(1, 8)), int(rng.integers(1, 8))}
    notes: list[Note] = []
    for index in range(int(duration_s / beat_s)):
        bar, eighth = divmod(index, 8)
        fill = bar % 4 == 3 and eighth >= 4
        keys = [int(rng.choice(_TOMS))] if fill else [cymbal]
        keys += [_KICK] if eighth in kicks else []
        keys += [_SNARE] if eighth in (2, 6) else []
        keys += [_CRASH] if eighth == 0 and bar % 4 == 0 else []
        notes += [(index * beat_s, 0.1, key, int(rng.integers(85, 125))) for key in keys]
    return notes


def _calls(voice: MidiVoice, rng: np.random.Generator, duration_s: float) -> list[Note]:
    """Held notes with pauses, for the sound effects among the programs."""
    notes, now_s = [], 0.0
    while now_s < duration_s:
        length_s = rng.uniform(0.8, 2.0)
        notes.append((now_s, length_s, int(rng.integers(voice.lowest, voice.highest + 1)), 110))
        now_s += length_s + rng.uniform(0.1, 0.5)
    return notes


def _scale(voice: MidiVoice, rng: np.random.Generator) -> list[int]:
    root, scale = int(rng.integers(12)), _SCALES[int(rng.integers(len(_SCALES)))]
    return [key for key in range(voice.lowest, voice.highest + 1) if (key - root) % 12 in scale]


def _chord(voice: MidiVoice, rng: np.random.Generator) -> list[int]:
    root = int(rng.integers(voice.lowest, min(voice.lowest + 12, voice.highest)))
    steps = _CHORDS[int(rng.integers(len(_CHORDS)))]
    return [root + step for step in steps if root + step <= voice.highest]


_COMPOSERS: dict[Style, Composer] = {
    "melody": _melody,
    "chords": _chords,
    "drums": _drums,
    "calls": _calls,
}
