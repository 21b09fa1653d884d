"""Does the map depend on the sound? Noises to feed, and what a map does under them.

Kept apart from the box metrics on purpose: a saliency map scores well there and fails every figure here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from training.metrics.localization import THRESHOLD, success, success_auc
from training.metrics.masks import SIDE, upsample

Colour = Literal["white", "pink", "brown"]
COLOURS: tuple[Colour, ...] = ("white", "pink", "brown")
_SLOPES: Mapping[Colour, float] = {"white": 0.0, "pink": 0.5, "brown": 1.0}
_LOWEST_HZ = 20.0  # brown noise has no finite power down to 0 Hz


def silence(duration_s: float, *, rate_hz: int = 16_000) -> npt.NDArray[np.float32]:
    """(round(duration_s * rate_hz),) zeros."""
    return np.zeros(round(duration_s * rate_hz), np.float32)


def noise(
    colour: Colour, duration_s: float, *, rms: float, seed: int, rate_hz: int = 16_000
) -> npt.NDArray[np.float32]:
    """Gaussian noise whose power falls as 1 (white), 1/f (pink) or 1/f^2 (brown).

    Returns:
        (round(duration_s * rate_hz),) in [-1, 1]; root mean square `rms` before the peaks are clipped.
    """
    n = round(duration_s * rate_hz)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    frequency_hz = np.fft.rfftfreq(n, 1 / rate_hz)
    gain = np.maximum(frequency_hz, _LOWEST_HZ) ** -_SLOPES[colour]
    gain[frequency_hz < _LOWEST_HZ] = 0.0
    shaped = np.fft.irfft(spectrum * gain, n)
    scaled = shaped * (rms / np.sqrt(np.mean(shaped**2)))
    return np.asarray(np.clip(scaled, -1.0, 1.0), np.float32)


def area_marked(heatmaps: npt.ArrayLike, *, side: int = SIDE) -> npt.NDArray[np.float64]:
    """Share of the canvas at 0.5 or above after upsampling: heatmaps (..., G, G) to (...)."""
    maps = np.asarray(heatmaps)
    grid = maps.shape[-2:]
    areas = [(upsample(values, side=side) >= THRESHOLD).mean() for values in maps.reshape(-1, *grid)]
    return np.asarray(areas, np.float64).reshape(maps.shape[:-2])


def false_alarm(heatmaps: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether any cell reaches 0.5: heatmaps (..., G, G) to (...). Fed sounds that nothing in sight makes."""
    return np.asarray((np.asarray(heatmaps) >= THRESHOLD).any(axis=(-2, -1)))


def separation(positive: npt.ArrayLike, negative: npt.ArrayLike) -> float:
    """Area under the ROC curve: how often a positive lies above a negative, ties counting half.

    Raises ValueError if either is empty.
    """
    above = np.asarray(positive, np.float64).ravel()
    below = np.sort(np.asarray(negative, np.float64).ravel())
    if above.size == 0 or below.size == 0:
        raise ValueError("both classes need at least one score")
    wins = np.searchsorted(below, above, side="left") + np.searchsorted(below, above, side="right")
    return float(wins.mean() / (2 * below.size))


def interactive(ious: Sequence[npt.ArrayLike]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """IIoU and IAUC (Senocak et al., IS3): an image succeeds only if each source does, on its own sound.

    Args:
        ious: for each image the cIoU of each source.

    Returns:
        (n,) success at 0.5 and (n,) area under success, of the worst source. Their means are IIoU and IAUC.
    """
    worst = np.array([float(np.min(np.asarray(image, np.float64))) for image in ious])
    return success(worst), success_auc(worst)
