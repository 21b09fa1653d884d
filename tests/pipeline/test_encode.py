import numpy as np
import pytest

from app.pipeline.encode import ChunkEncoder, encode_audio, encode_visual, sound_margin_s

RATE = 16_000
TONE, MUSIC, SILENCE = 0, 1, 2


def _waveform(duration_s: float, *bursts: tuple[float, float, float]) -> np.ndarray:
    """Silence with (start_s, end_s, level) stretches of a constant level."""
    waveform = np.zeros(round(duration_s * RATE), np.float32)
    for start_s, end_s, level in bursts:
        waveform[round(start_s * RATE) : round(end_s * RATE)] = level
    return waveform


def _times(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


class Counting:
    """A bundle that counts what runs through its encoders."""

    def __init__(self, bundle):
        self._bundle = bundle
        self.manifest = bundle.manifest
        self.frames, self.windows = 0, 0

    def visual(self, frames):
        self.frames += len(frames)
        return self._bundle.visual(frames)

    def audio(self, windows):
        self.windows += len(windows)
        return self._bundle.audio(windows)


def test_a_frame_hears_its_loudest_window_weighed_by_the_absence_of_silence(tiny_bundle):
    # Loudness 2 x 0.25 = 0.5; so Tone is 0.5 and counts half, as Silence is 0.5 too.
    waveform = _waveform(3, (1.0, 1.3, 0.25))
    events, _ = encode_audio(tiny_bundle, waveform, 0.0, _times(0.5, 1.1, 2.5))
    np.testing.assert_allclose(events[1], [0.25, 0.15, 0.25, 0], atol=1e-6)
    np.testing.assert_array_equal(events[[0, 2]], np.zeros((2, 4)))


def test_sound_is_heard_just_as_far_as_the_context_reaches(tiny_bundle):
    # Windows of 0.2 s every 0.1 s; the burst lies in those centred at 1.1 (1.0 to 1.2) and at 1.0 and 1.2.
    waveform = _waveform(3, (1.05, 1.15, 0.5))
    events, _ = encode_audio(tiny_bundle, waveform, 0.0, _times(0.79, 0.8, 1.4, 1.41))
    np.testing.assert_allclose(events[:, TONE], [0, 1, 1, 0], atol=1e-6)


def test_a_late_sound_track_keeps_its_place(tiny_bundle):
    waveform = _waveform(2, (0.0, 0.5, 0.5))  # heard from 1.0 to 1.5
    events, _ = encode_audio(tiny_bundle, waveform, 1.0, _times(0.2, 1.25, 2.5))
    np.testing.assert_allclose(events[:, TONE], [0, 1, 0], atol=1e-6)


def test_sound_before_the_first_frame_is_heard_by_it(tiny_bundle):
    waveform = _waveform(1, (0.0, 0.3, 0.5))
    events, _ = encode_audio(tiny_bundle, waveform, -0.3, _times(0.0, 0.5))
    np.testing.assert_allclose(events[:, TONE], [1, 0], atol=1e-6)


def test_without_sound_all_is_zero(tiny_bundle):
    events, embedding = encode_audio(tiny_bundle, np.zeros(0, np.float32), 0.0, _times(0, 1))
    np.testing.assert_array_equal(events, np.zeros((2, 4)))
    np.testing.assert_array_equal(embedding, np.zeros((2, 2)))


def test_frames_after_the_end_of_the_sound_hear_nothing(tiny_bundle):
    events, _ = encode_audio(tiny_bundle, _waveform(1, (0, 1, 0.5)), 0.0, _times(0.5, 1.1, 1.2, 5))
    np.testing.assert_allclose(events[:, TONE], [1, 1, 0, 0], atol=1e-6)


@pytest.mark.parametrize("duration_s", [0.05, 0.19, 0.25])
def test_a_sound_track_shorter_than_a_window_is_heard(tiny_bundle, duration_s):
    # 0.25 s at 0.07 s is longer than a window and yet covers none of the grid.
    events, _ = encode_audio(tiny_bundle, _waveform(duration_s, (0, 1, 0.5)), 0.07, _times(0.2, 2.0))
    np.testing.assert_allclose(events[:, TONE], [1, 0], atol=1e-6)


def test_the_embedding_is_the_mean_over_the_windows_in_reach(tiny_bundle):
    # Around 1.0: centres 0.8 to 1.2; the burst from 1.15 on is in the windows centred at 1.1 and 1.2.
    waveform = _waveform(3, (1.15, 3.0, 0.5))
    _, embedding = encode_audio(tiny_bundle, waveform, 0.0, _times(1.0))
    np.testing.assert_allclose(embedding, [[2 / 5, 1]], atol=1e-6)


@pytest.mark.parametrize("step", [1, 2, 5])
@pytest.mark.parametrize("start_s", [-0.25, 0.0, 0.813])
def test_the_cut_into_chunks_does_not_change_what_is_heard(tiny_bundle, step, start_s):
    waveform = np.random.default_rng(7).uniform(-0.4, 0.4, 4 * RATE).astype(np.float32)
    waveform *= np.repeat(np.random.default_rng(8).uniform(0, 1, 40), RATE // 10).astype(np.float32)
    times = np.arange(0, 5.5, 0.3)
    whole, whole_embedding = encode_audio(tiny_bundle, waveform, start_s, times)

    margin_s = sound_margin_s(tiny_bundle.manifest.audio) + 1 / 64
    encoder = ChunkEncoder(tiny_bundle)
    parts = []
    for first in range(0, len(times), step):
        part = times[first : first + step]
        low = max(0, round((part[0] - margin_s - start_s) * RATE))
        high = max(low, round((part[-1] + margin_s - start_s) * RATE))
        parts.append(encoder.hear(waveform[low:high], start_s + low / RATE, part))
    np.testing.assert_allclose(np.concatenate([part[0] for part in parts]), whole, atol=1e-6)
    np.testing.assert_allclose(np.concatenate([part[1] for part in parts]), whole_embedding, atol=1e-6)


def test_a_window_that_two_chunks_share_runs_once(tiny_bundle):
    counting = Counting(tiny_bundle)
    encoder = ChunkEncoder(counting)
    waveform = _waveform(4, (0, 4, 0.3))
    times = np.arange(0, 4, 0.25)
    for first in range(0, len(times), 4):
        encoder.hear(waveform, 0.0, times[first : first + 4])
    assert counting.windows == 39  # a hop of 0.1 s in 4 s of windows of 0.2 s


def test_a_picture_that_stands_still_is_encoded_once(tiny_bundle):
    counting = Counting(tiny_bundle)
    encoder = ChunkEncoder(counting)
    colours = [10, 10, 10, 200, 200, 10, 10, 10, 10, 90]
    frames = np.stack([np.full((32, 32, 3), colour, np.uint8) for colour in colours])
    parts = [encoder.see(frames[start : start + 2]) for start in range(0, len(frames), 2)]
    tokens = np.concatenate([part[0] for part in parts])
    np.testing.assert_allclose(tokens[:, 0, 0, 0], np.array(colours) / 255, atol=1e-6)
    assert np.concatenate([part[1] for part in parts]).shape == (10, 2, 2, 3)
    assert counting.frames == 4  # 10, 200, 10, 90


@pytest.mark.parametrize("batch", [1, 3, 7, 16])
def test_the_batch_size_does_not_change_the_tokens(tiny_bundle, batch):
    frames = np.random.default_rng(3).integers(0, 256, (7, 32, 32, 3), np.uint8)
    tokens, class_map = encode_visual(tiny_bundle, frames, batch)
    expected_tokens, expected_map = tiny_bundle.visual(frames)
    np.testing.assert_allclose(tokens, expected_tokens, atol=1e-6)
    np.testing.assert_allclose(class_map, expected_map, atol=1e-6)


def test_the_margin_of_the_default_windows_fits_a_second_and_a_half(tiny_bundle):
    spec = tiny_bundle.manifest.audio.model_copy(update={"window_samples": 15_600, "context_s": 2.0})
    assert sound_margin_s(spec) == pytest.approx(1.4875)


def test_the_nearest_window_tells_apart_what_the_mean_blurs(tiny_bundle):
    # Windows are centred at 0.1, 0.2, ...; the burst lies in those at 1.0, 1.1 and 1.2.
    encoder = ChunkEncoder(tiny_bundle)
    waveform, times_s = _waveform(3, (1.05, 1.15, 0.5)), _times(0.94, 0.96, 1.24, 1.26)
    _, mean = encoder.hear(waveform, 0.0, times_s)
    nearest = encoder.nearest(times_s)
    np.testing.assert_allclose(nearest[:, 0], [0, 1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(mean[:, 0], 0.5, atol=1e-6)


def test_a_frame_out_of_reach_of_the_sound_has_no_nearest_window(tiny_bundle):
    encoder = ChunkEncoder(tiny_bundle)
    times_s = _times(0.5, 1.1, 1.2, 5)
    encoder.hear(_waveform(1, (0, 1, 0.5)), 0.0, times_s)
    np.testing.assert_array_equal(encoder.nearest(times_s), [[1, 1], [1, 1], [0, 0], [0, 0]])
    encoder.hear(np.zeros(0, np.float32), 0.0, times_s)
    np.testing.assert_array_equal(encoder.nearest(times_s), np.zeros((4, 2)))
