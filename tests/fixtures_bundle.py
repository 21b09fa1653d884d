"""Fixtures around the tiny bundle of `tests/tiny_bundle.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.inference.bundle import Bundle, load_bundle
from app.media.encode import ClipWriter, YuvConverter
from app.settings import InferenceSettings, Settings
from tests.tiny_bundle import write_sharing_bundle, write_tiny_bundle


@pytest.fixture(scope="session")
def tiny_bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for `bundle_dirs` with `tiny`, with `tiny-detect`, which detects, with `tiny-explain`,
    which explains, and with `tiny-small`, which shares all but the visual graph with `tiny`. Do not write to
    it."""
    root = tmp_path_factory.mktemp("bundles")
    write_sharing_bundle(write_tiny_bundle(root))
    write_tiny_bundle(root, name="tiny-detect", detects=True)
    write_tiny_bundle(root, name="tiny-explain", explains=True)
    return root


@pytest.fixture(scope="session")
def tiny_settings(tiny_bundles: Path) -> Settings:
    """Settings under which `tiny` is the bundle that answers, on the CPU."""
    inference = InferenceSettings(bundle="tiny", bundle_dirs=(tiny_bundles,), device="cpu", threads=1)
    return Settings(inference=inference)


@pytest.fixture(scope="session")
def tiny_bundle(tiny_bundles: Path, tiny_settings: Settings) -> Bundle:
    return load_bundle(tiny_bundles / "tiny", tiny_settings.inference)


@pytest.fixture(scope="session")
def tiny_detecting_bundle(tiny_bundles: Path, tiny_settings: Settings) -> Bundle:
    return load_bundle(tiny_bundles / "tiny-detect", tiny_settings.inference)


@pytest.fixture(scope="session")
def tiny_naming_bundle(tmp_path_factory: pytest.TempPathFactory, tiny_settings: Settings) -> Bundle:
    """One that detects and names what sounds."""
    directory = write_tiny_bundle(tmp_path_factory.mktemp("bundles"), detects=True, names=True)
    return load_bundle(directory, tiny_settings.inference)


@pytest.fixture(scope="session")
def tiny_explaining_bundle(tiny_bundles: Path, tiny_settings: Settings) -> Bundle:
    return load_bundle(tiny_bundles / "tiny-explain", tiny_settings.inference)


@pytest.fixture(scope="session")
def sounding_square(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s at 10 fps and 128 x 96 pixels. A white square on black stands in the cell (row 1, column 2) for
    2 s and then in (2, 0). A tone sounds from 0.5 s to 1.5 s and from 2.5 s to 3.0 s."""
    path = tmp_path_factory.mktemp("clips") / "square.mp4"
    write_sounding_square(path)
    return path


@pytest.fixture(scope="session")
def silent_square(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures of `sounding_square` without a sound track."""
    path = tmp_path_factory.mktemp("clips") / "silent.mp4"
    write_sounding_square(path, sound=False)
    return path


def write_sounding_square(path: Path, *, sound: bool = True) -> None:
    rate_hz, width, height, fps, duration_s = 16_000, 128, 96, 10, 4
    times_s = np.arange(duration_s * rate_hz) / rate_hz
    sounding = ((times_s >= 0.5) & (times_s < 1.5)) | ((times_s >= 2.5) & (times_s < 3.0))
    tone = (0.6 * sounding * np.sin(2 * np.pi * 500 * times_s)).astype(np.float32)
    converter = YuvConverter()
    rates = {"sound_rate_hz": rate_hz, "sound_channels": 1} if sound else {}
    with ClipWriter(path, width=width, height=height, fps=fps, crf=5, **rates) as writer:
        for index in range(duration_s * fps):
            row, column = (1, 2) if index < 2 * fps else (2, 0)
            image = np.zeros((height, width, 3), np.uint8)
            image[row * 24 : (row + 1) * 24, column * 32 : (column + 1) * 32] = 255
            writer.add_frame(converter.convert(image), index / fps)
            if sound:
                start = index * rate_hz // fps
                writer.add_sound(tone[start : start + rate_hz // fps, None], start / rate_hz)
