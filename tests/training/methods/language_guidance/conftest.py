"""Made-up features of classes, small configurations, and folders of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from training.methods.language_guidance.config import LanguageGuidanceConfig
from training.methods.language_guidance.pictures import Encoded

WIDTH = 24
N_TRAINED, N_UNSEEN = 8, 4


class Colours(nn.Module):
    """Pictures to a map of their colours, and to logits of three classes."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)
        nn.init.eye_(self.fc.weight)
        nn.init.constant_(self.fc.bias, 5.0)

    def features(self, pictures):
        return nn.functional.avg_pool2d(pictures, 32)


@pytest.fixture(autouse=True)
def one_thread():
    """So little is computed here that several threads would mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small():
    def make(**changes):
        values = {"features": 8, "batch": 16, "epochs": 8, "rate": 0.01, "guidance": "none"}
        return LanguageGuidanceConfig(**{**values, **changes})

    return make


@pytest.fixture
def parts():
    """Training, validation and unseen features: six numbers tell the class, the rest is louder noise."""
    random = torch.Generator().manual_seed(0)
    centres = torch.zeros(N_TRAINED + N_UNSEEN, WIDTH)
    centres[:, :6] = torch.randn(len(centres), 6, generator=random)

    def part(first, last, each):
        labels = torch.arange(first, last).repeat_interleave(each)
        noise = torch.randn(len(labels), WIDTH, generator=random)
        noise[:, :6] *= 0.3
        return Encoded(centres[labels] + 1.5 * noise, torch.zeros(len(labels), 3), labels)

    return part(0, N_TRAINED, 12), part(0, N_TRAINED, 4), part(N_TRAINED, N_TRAINED + N_UNSEEN, 15)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures in each of four classes."""
    random = np.random.default_rng(0)
    for name in ("ant", "bee", "sea_cow", "yak"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(12):
            picture = random.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(picture).save(tmp_path / "pictures" / name / f"{number}.png")
    return tmp_path / "pictures"


@pytest.fixture
def classifier():
    return Colours()
