"""Pictures in which the lightness tells the colour, and a small configuration."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from training.methods.cmc_images.config import CmcImagesConfig

SIDE = 32


def paint(number: int) -> np.ndarray:
    """(32, 32, 3) uint8 of one colour with a little noise: the lighter it is, the further from red."""
    rng = np.random.default_rng(number)
    where = rng.random()
    colour = 255 * np.array(colorsys.hsv_to_rgb(0.8 * where, 0.9, 0.3 + 0.6 * where))
    return np.clip(colour + rng.normal(0, 6, (SIDE, SIDE, 1)), 0, 255).astype(np.uint8)


class Painted(Dataset[dict[str, Tensor]]):
    """Painted pictures from number `first` on, each of them several times."""

    def __init__(self, count: int, *, first: int = 0, times: int = 1) -> None:
        self._pictures = [torch.from_numpy(paint(first + number)).permute(2, 0, 1) for number in range(count)]
        self._times = times

    def __len__(self) -> int:
        return self._times * len(self._pictures)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        number = index % len(self._pictures)
        return {
            "picture": self._pictures[number],
            "label": torch.tensor(0),
            "index": torch.tensor(number),
        }


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """So little is computed here that several threads would mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """40 painted pictures in each of two classes, `dark` and `light`."""
    for number in range(80):
        picture = paint(number)
        name = "light" if picture.max() > 150 else "dark"
        path = tmp_path / "pictures" / name / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    return tmp_path / "pictures"


@pytest.fixture
def small() -> Callable[..., CmcImagesConfig]:
    def make(**changes: Any) -> CmcImagesConfig:
        values = {
            "side": SIDE,
            "crop": SIDE,
            "least_area": 0.9,
            "width": 0.1,
            "features": 16,
            "negatives": 32,
            "batch": 16,
            "epochs": 2,
        }
        return CmcImagesConfig(**{**values, **changes})

    return make
