"""Tiny media whose content says which moment it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from app.media.encode import ClipWriter, YuvConverter

RATE_HZ = 16_000

WriteVideo = Callable[..., Path]
WriteFile = Callable[..., Path]


@pytest.fixture
def write_video() -> WriteVideo:
    def write(path: Path, *, seconds: float = 2.0, fps: int = 20, sound_from_s: float | None = 0.0) -> Path:
        """Grey frames, 20 at first and brighter by 100 each second, with a tone from `sound_from_s` on."""
        path.parent.mkdir(parents=True, exist_ok=True)
        converter = YuvConverter()
        rates = {} if sound_from_s is None else {"sound_rate_hz": RATE_HZ, "sound_channels": 1}
        times_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
        tone = 0.5 * np.sin(2 * np.pi * 500 * times_s) * (times_s >= (sound_from_s or 0.0))
        with ClipWriter(path, width=64, height=48, fps=fps, crf=5, **rates) as writer:
            for index in range(round(seconds * fps)):
                level = round(20 + 100 * index / fps)
                writer.add_frame(converter.convert(np.full((48, 64, 3), level % 256, np.uint8)), index / fps)
            if rates:
                writer.add_sound(tone[:, None].astype(np.float32), 0.0)
        return path

    return write


@pytest.fixture
def write_picture() -> WriteFile:
    def write(path: Path, *, level: int = 128) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (48, 32), (level,) * 3).save(path)
        return path

    return write


@pytest.fixture
def write_sound() -> WriteFile:
    def write(path: Path, *, seconds: float = 1.0, tone_hz: float = 500.0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        times_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
        wavfile.write(path, RATE_HZ, (16_000 * np.sin(2 * np.pi * tone_hz * times_s)).astype(np.int16))
        return path

    return write


@pytest.fixture
def put() -> Callable[..., None]:
    def put_files(root: Path, *names: str) -> None:
        """Files that are there and hold nothing, for what a reader finds by name only."""
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()

    return put_files
