import numpy as np
import pytest

from training.metrics.controls import area_marked, false_alarm, interactive, noise, separation, silence


def slope_db_per_octave(samples: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    frequency = np.fft.rfftfreq(len(samples), 1 / 16_000)
    octaves = [
        (low, power[(frequency >= low) & (frequency < 2 * low)].mean()) for low in (100, 200, 400, 800, 1600)
    ]
    levels = [10 * np.log10(level) for _, level in octaves]
    return float(np.polyfit(range(len(levels)), levels, 1)[0])


@pytest.mark.parametrize(("colour", "slope"), [("white", 0.0), ("pink", -3.0), ("brown", -6.0)])
def test_noise_has_its_colour_and_level(colour, slope):
    samples = noise(colour, 8.0, rms=0.05, seed=1)
    assert samples.dtype == np.float32
    assert samples.shape == (128_000,)
    assert np.sqrt(np.mean(samples.astype(np.float64) ** 2)) == pytest.approx(0.05, rel=0.01)
    assert slope_db_per_octave(samples) == pytest.approx(slope, abs=0.5)
    np.testing.assert_array_equal(samples, noise(colour, 8.0, rms=0.05, seed=1))
    assert not np.array_equal(samples, noise(colour, 8.0, rms=0.05, seed=2))


def test_loud_noise_stays_in_range():
    assert np.abs(noise("white", 1.0, rms=0.9, seed=0)).max() == 1.0


def test_silence_is_zero():
    assert silence(0.5).shape == (8000,)
    assert not silence(0.5).any()


def test_area_is_a_share_of_the_canvas_at_half_or_above():
    heatmaps = np.zeros((2, 3, 16, 16))
    heatmaps[1, 2, :, :8] = 1.0
    areas = area_marked(heatmaps)
    assert areas.shape == (2, 3)
    assert areas[1, 2] == pytest.approx(0.5, abs=0.01)
    assert areas.sum() == areas[1, 2]


def test_one_cell_at_half_is_a_false_alarm():
    heatmaps = np.full((2, 16, 16), 0.49)
    heatmaps[1, 4, 4] = 0.5
    assert false_alarm(heatmaps).tolist() == [False, True]


def test_separation_counts_ties_half():
    assert separation([0.9, 0.8], [0.1, 0.2]) == 1.0
    assert separation([0.5], [0.5, 0.5]) == 0.5
    assert separation([0.1, 0.9], [0.5]) == 0.5
    with pytest.raises(ValueError, match="at least one"):
        separation([], [0.5])


def test_an_image_succeeds_only_if_every_source_does():
    both, area_under = interactive([[0.9, 0.6], [1.0, 0.1], [0.5, 0.5, 0.5]])
    assert both.tolist() == [True, False, True]
    np.testing.assert_allclose(area_under, [0.625, 0.125, 0.525])
