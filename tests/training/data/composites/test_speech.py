import numpy as np
import pytest

from training.data.composites import speech
from training.data.composites.inventory import read_inventory
from training.data.composites.tools import ToolMissing
from training.data.composites.waves import RATE_HZ, levels

here = pytest.mark.skipif(bool(speech.missing()), reason=speech.missing() or "eSpeak NG is here")


def test_without_the_program_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match=r"espeak-ng is missing: .*apt-get install espeak-ng"):
        speech.speak("en-us", np.random.default_rng(0), duration_s=2.0)


@here
def test_speech_lasts_as_long_as_it_is_wanted():
    wave = speech.speak("en-us+f2", np.random.default_rng(0), duration_s=6.0)
    assert len(wave) == 6 * RATE_HZ
    assert (levels(wave) > 0.01).mean() > 0.5
    assert np.abs(wave).max() <= 1


@here
def test_every_voice_of_the_inventory_is_known():
    voices = [voice for entry in read_inventory().values() for voice in entry.speech]
    waves = [speech.speak(voice, np.random.default_rng(1), duration_s=1.0) for voice in voices]
    assert len(voices) > 20
    assert all(np.abs(wave).max() > 0.05 for wave in waves)


@here
def test_an_unknown_voice_is_named():
    with pytest.raises(ToolMissing, match="with the voice xx-nobody"):
        speech.speak("xx-nobody", np.random.default_rng(0), duration_s=1.0)
