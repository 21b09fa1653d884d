import numpy as np
import pytest

from app.pipeline.envelope import Envelope

RATE = 16_000


def test_a_click_lies_in_its_bin():
    waveform = np.zeros(RATE, np.float32)
    waveform[round(0.510 * RATE)] = -0.7
    envelope = Envelope()
    envelope.add(waveform, 0.0)
    level = envelope.level()
    assert (level.start_s, level.rate_hz, len(level.peak)) == (0.0, 50.0, 50)
    assert np.flatnonzero(level.peak).tolist() == [25]
    assert level.peak[25] == pytest.approx(0.7)


@pytest.mark.parametrize("start_s", [-0.035, 0.0, 0.777])
def test_overlapping_pieces_give_what_the_whole_gives(start_s):
    waveform = np.random.default_rng(1).uniform(-1, 1, 90 * RATE // 2).astype(np.float32)
    whole, pieces = Envelope(), Envelope()
    whole.add(waveform, start_s)
    for begin in range(0, len(waveform), 7001):
        pieces.add(waveform[begin : begin + 12_345], start_s + begin / RATE)
    expected, found = whole.level(), pieces.level()
    assert found.start_s == expected.start_s
    np.testing.assert_array_equal(found.peak, expected.peak)
    assert expected.start_s <= start_s < expected.start_s + 0.02


def test_a_gap_between_pieces_is_silent():
    envelope = Envelope()
    envelope.add(np.ones(RATE // 10, np.float32), 0.0)
    envelope.add(np.ones(RATE // 10, np.float32), 0.4)
    peaks = envelope.level().peak
    assert (peaks[:5] == 1).all()
    assert (peaks[5:20] == 0).all()
    assert (peaks[20:] == 1).all()


def test_without_sound_the_envelope_is_empty():
    envelope = Envelope()
    envelope.add(np.zeros(0, np.float32), 0.0)
    assert len(envelope.level().peak) == 0
