"""Folders of cut-outs and sounds that are made up: coloured shapes, and tones whose pitch says their kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.io import wavfile

from training.data.composites import Options, Sources
from training.data.composites.inventory import read_inventory

RATE_HZ = 16_000
PITCHES_HZ = {"bell": 1_200.0, "buzzer": 200.0, "whistle": 2_500.0}
COLOURS = {"bell": (250, 20, 20), "buzzer": (20, 250, 20), "whistle": (20, 20, 250), "stone": (250, 250, 20)}
N_FILES = 5


@pytest.fixture(scope="session")
def cutouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five opaque blocks of one colour for each kind, with an empty margin; stones never sound."""
    root = tmp_path_factory.mktemp("cutouts")
    for kind, colour in COLOURS.items():
        (root / kind).mkdir()
        for number in range(N_FILES):
            picture = Image.new("RGBA", (240, 200), (*colour, 0))
            ImageDraw.Draw(picture).rectangle((20, 20, 200, 160 + number), fill=(*colour, 255))
            picture.save(root / kind / f"{number}.png")
    return root


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five tones of half a second for each kind, with silence around them."""
    root = tmp_path_factory.mktemp("sounds")
    times_s = np.arange(RATE_HZ // 2) / RATE_HZ
    for kind, pitch_hz in PITCHES_HZ.items():
        (root / kind).mkdir()
        for number in range(N_FILES):
            tone = 0.5 * np.sin(2 * np.pi * (pitch_hz + 5 * number) * times_s)
            padded = np.concatenate([np.zeros(3_000), tone, np.zeros(5_000)])
            wavfile.write(root / kind / f"{number}.wav", RATE_HZ, (32_767 * padded).astype(np.int16))
    return root


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six photographs, each of one grey."""
    root = tmp_path_factory.mktemp("photos")
    for number in range(6):
        Image.new("RGB", (160, 90), (40 + 20 * number,) * 3).save(root / f"{number}.jpg", quality=100)
    return root


@pytest.fixture(scope="session")
def sources(cutouts: Path, sounds: Path, photos: Path) -> Sources:
    return Sources(package=False, cutouts=cutouts, sounds=sounds, backgrounds=photos)


@pytest.fixture
def make_options(sources: Sources) -> Callable[..., Options]:
    """Options for made-up objects without grain and noise, unless told otherwise."""

    def make(**changes: object) -> Options:
        return Options(**{"sources": sources, "grain": False, "noise": 0.0, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def hollow_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with the names of all files of the inventory and nothing in them: enough to share them out."""
    root = tmp_path_factory.mktemp("package")
    folder = root / "usr/share/tuxpaint/stamps"
    for entry in read_inventory().values():
        for name in (*entry.pictures, *entry.recordings):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
    return root
