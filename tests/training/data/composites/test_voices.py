import numpy as np
import pytest

from training.data.composites import midi, voices
from training.data.composites.inventory import MidiVoice
from training.data.composites.voices import Voice, render
from training.encoders.weights import CACHE_VARIABLE

LEAD = Voice("midi", "56", MidiVoice(style="melody", programs=(56,), lowest=55, highest=80))
LOW = Voice("midi", "56", MidiVoice(style="melody", programs=(56,), lowest=55, highest=60))


@pytest.fixture
def played(monkeypatch, tmp_path):
    """Names of what is played; the cache is empty at first."""
    calls = []

    def play(voice, program, rng, *, duration_s):
        calls.append((voice.highest, program))
        return rng.standard_normal(round(duration_s * 100)).astype(np.float32)

    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(midi, "play", play)
    return calls


def test_a_take_of_an_instrument_is_played_once_and_then_read_from_the_cache(played, tmp_path):
    first, again = render(LEAD, "trumpet/0"), render(LEAD, "trumpet/0")
    assert np.array_equal(first, again)
    assert first.dtype == np.float32
    assert played == [(80, 56)]
    assert [path.suffix for path in (tmp_path / "composites").iterdir()] == [".npy"]


def test_other_takes_and_other_ways_of_playing_are_other_music(played):
    takes = [render(LEAD, "trumpet/0"), render(LEAD, "trumpet/1"), render(LOW, "trumpet/0")]
    assert len(played) == 3
    assert not np.array_equal(takes[0], takes[1])


def test_a_take_follows_from_its_id():
    horn = Voice("computed", "car-horn")
    assert np.array_equal(render(horn, "car/0"), render(horn, "car/0"))
    assert not np.array_equal(render(horn, "car/0"), render(horn, "car/1"))
    assert len(render(horn, "car/0")) == voices.TAKE_S * 16_000
