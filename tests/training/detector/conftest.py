"""Detectors to be put into bundles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.training.methods.avdet.made_blocks import blocks, train_blocks
from tests.training.methods.made_scenes import write_scenes
from training.methods.avdet.config import AvdetConfig
from training.methods.avdet.module import Avdet
from training.methods.localiser import Widths


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a detector that knows red and cyan blocks in what the tiny bundle sees. Do not write to it."""
    root = tmp_path_factory.mktemp("detector")
    best = train_blocks(write_scenes(root / "cache", blocks(48, 24)), root / "run").fitted.best
    assert best is not None
    return best


@pytest.fixture
def random_detector() -> Callable[..., Avdet]:
    """Makes a detector that was not trained, but is not shy: it says something of every cell."""

    def make(
        *,
        grid: int = 4,
        token: int = 3,
        n_classes: int = 3,
        looks: int = 64,
        seed: int = 0,
        surely: float = 0.0,
    ) -> Avdet:
        torch.manual_seed(0)
        config = AvdetConfig(width=16, blocks=1, suppression=0.4, looks=looks)
        module = Avdet(config, Widths(token, 2, grid), (2, 2, n_classes), ("one", "two", "three")).eval()
        with torch.no_grad():
            module.head.classes.weight.mul_(4)
            module.head.classes.bias.fill_(surely)
            module.head.shape.weight.mul_(4)
            module.head.shape.bias[:4] = -1  # smaller boxes
        return module

    return make
