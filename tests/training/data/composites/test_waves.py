import numpy as np
import pytest
from scipy.io import wavfile

from training.data.composites.waves import RATE_HZ, fill, levels, loudness, read_sound, stretch, trim

MARGIN = 640  # two blocks: what trimming may leave of the silence


def tone(duration_s, pitch_hz=500.0, level=0.5):
    times_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return (level * np.sin(2 * np.pi * pitch_hz * times_s)).astype(np.float32)


def pitch_hz(wave):
    return np.abs(np.fft.rfft(wave)).argmax() * RATE_HZ / len(wave)


def test_a_stereo_file_of_another_rate_becomes_mono_at_the_common_rate(tmp_path):
    times_s = np.arange(44_100) / 44_100
    left = 0.4 * np.sin(2 * np.pi * 440 * times_s)
    stereo = (32_767 * np.stack([left, left], axis=1)).astype(np.int16)
    wavfile.write(tmp_path / "tone.wav", 44_100, stereo)
    wave = read_sound(tmp_path / "tone.wav")
    assert wave.dtype == np.float32
    assert len(wave) == pytest.approx(RATE_HZ, abs=50)
    assert pitch_hz(wave) == pytest.approx(440, abs=2)


def test_what_is_no_sound_is_named(tmp_path):
    (tmp_path / "note.wav").write_text("not a sound")
    with pytest.raises(ValueError, match=r"note\.wav holds no sound"):
        read_sound(tmp_path / "note.wav")


def test_trimming_leaves_what_sounds():
    padded = np.concatenate([np.zeros(8_000, np.float32), tone(0.5), np.zeros(4_000, np.float32)])
    assert len(tone(0.5)) <= len(trim(padded)) <= len(tone(0.5)) + MARGIN
    assert len(trim(np.zeros(8_000, np.float32))) == 0


def test_loudness_is_that_of_the_sounding_part():
    padded = np.concatenate([np.zeros(16_000, np.float32), tone(1.0)])
    assert loudness(padded) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)
    assert loudness(np.zeros(8_000, np.float32)) == 0


def test_faster_is_shorter_and_higher():
    wave = stretch(tone(1.0), 1.25)
    assert len(wave) == pytest.approx(0.8 * RATE_HZ, abs=2)
    assert pitch_hz(wave) == pytest.approx(625, abs=5)


def test_a_short_sound_is_repeated_until_the_time_is_filled():
    wave = fill(tone(0.3), 4 * RATE_HZ, np.random.default_rng(0), gap_s=(0.1, 0.5))
    assert len(wave) == 4 * RATE_HZ
    quiet = levels(wave) < 0.01
    # No pause is longer than the sound itself, and it sounds more than it pauses.
    assert longest_run(quiet) <= 0.3 / 0.02 + 2
    assert quiet.mean() < 0.5
    assert quiet.any()


def test_a_steady_sound_is_joined_without_pauses():
    wave = fill(tone(0.3), 2 * RATE_HZ, np.random.default_rng(0), gap_s=(0.0, 0.0))
    assert (levels(wave)[2:-2] > 0.1).all()


def test_a_long_sound_is_cut_where_it_sounds():
    mostly_silent = np.concatenate([np.zeros(10 * RATE_HZ, np.float32), tone(3.0)])
    mostly_silent[:320] = tone(0.02)
    for seed in range(8):
        wave = fill(mostly_silent, RATE_HZ, np.random.default_rng(seed), gap_s=(0.1, 0.5))
        assert len(wave) == RATE_HZ
        assert np.abs(wave).max() > 0.1


def longest_run(flags):
    """Length of the longest stretch of true values."""
    best = now = 0
    for flag in flags:
        now = now + 1 if flag else 0
        best = max(best, now)
    return best
