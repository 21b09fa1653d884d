import numpy as np
import pytest

from training.data.composites import midi
from training.data.composites.inventory import MidiVoice
from training.data.composites.tools import ToolMissing
from training.data.composites.waves import RATE_HZ, loudness

GUITAR = MidiVoice(style="chords", programs=(24,), lowest=43, highest=70)


def test_a_note_becomes_the_bytes_of_a_midi_file():
    # One note A4 from 0.5 s to 0.75 s, at 960 ticks a second: 480 ticks are 83 60, 240 are 81 70.
    written = midi.midi_file([(0.5, 0.25, 69, 100)], program=24, channel=0)
    assert written[:14] == b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x01\xe0"
    track = bytes.fromhex("00 ff5103 07a120  00 c018  8360 904564  8170 804500  00 ff2f00")
    assert written[14:] == b"MTrk" + len(track).to_bytes(4, "big") + track


@pytest.mark.parametrize("style", ["melody", "chords", "drums", "calls"])
def test_music_fills_the_time_and_stays_in_the_range_of_the_instrument(style):
    voice = MidiVoice(style=style, programs=(0,), lowest=40, highest=64)
    notes = midi.compose(voice, np.random.default_rng(3), duration_s=8.0)
    starts_s = np.array(sorted(note[0] for note in notes))
    assert starts_s[0] < 0.5
    assert starts_s[-1] > 5.0
    assert np.diff(starts_s).max() < 3.0
    assert style == "drums" or all(40 <= note[2] <= 64 for note in notes)
    assert all(0 < note[3] < 128 for note in notes)


def test_without_the_program_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "fluidsynth is missing" in midi.missing()
    with pytest.raises(ToolMissing, match=r"apt-get install fluidsynth fluid-soundfont-gm"):
        midi.play(GUITAR, 24, np.random.default_rng(0), duration_s=2.0)


@pytest.mark.skipif(bool(midi.missing()), reason=midi.missing() or "FluidSynth is here")
def test_fluidsynth_plays_the_same_music_each_time():
    first, again = (midi.play(GUITAR, 24, np.random.default_rng(5), duration_s=3.0) for _ in range(2))
    assert np.array_equal(first, again)
    assert len(first) == 3 * RATE_HZ
    assert loudness(first) > 0.01
