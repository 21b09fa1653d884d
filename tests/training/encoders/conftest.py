"""Pictures and sounds that are made up."""

from __future__ import annotations

import numpy as np
import pytest

from training.encoders.yamnet import SAMPLE_RATE_HZ, WINDOW_SAMPLES

N_PICTURES = 4
N_DISCS = 150
PICTURE_SIZE = 448


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """(4, 448, 448, 3) uint8: discs over discs, which have the edges and spectra of photographs."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:PICTURE_SIZE, :PICTURE_SIZE]
    made = np.zeros((N_PICTURES, PICTURE_SIZE, PICTURE_SIZE, 3), np.uint8)
    for picture in made:
        for _ in range(N_DISCS):
            radius = min(200.0, 7.0 / (1 - rng.random()) ** 0.7)
            row, column = rng.uniform(0, PICTURE_SIZE, 2)
            inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
            picture[inside] = rng.integers(0, 256, 3)
    return made


@pytest.fixture(scope="session")
def sounds() -> dict[str, np.ndarray]:
    """Name to a window (15600,) float32 at 16 kHz: steady, gliding, percussive, noisy, loud, faint, none."""
    rng = np.random.default_rng(0)
    time_s = np.arange(WINDOW_SAMPLES) / SAMPLE_RATE_HZ
    clicks = np.zeros(WINDOW_SAMPLES)
    clicks[::4000] = 1.0
    note = sum(np.sin(2 * np.pi * 262 * k * time_s) / k for k in range(1, 6)) * np.exp(-3 * time_s)
    made = {
        "tone": 0.5 * np.sin(2 * np.pi * 1000 * time_s),
        "chirp": 0.5 * np.sin(2 * np.pi * (100 + 3500 * time_s) * time_s),
        "clicks": clicks,
        "note": 0.3 * note,
        "noise": 0.2 * rng.standard_normal(WINDOW_SAMPLES).clip(-4, 4),
        "faint noise": 1e-4 * rng.standard_normal(WINDOW_SAMPLES),
        "clipped": np.sign(np.sin(2 * np.pi * 220 * time_s)),
        "silence": np.zeros(WINDOW_SAMPLES),
    }
    return {name: wave.astype(np.float32) for name, wave in made.items()}
