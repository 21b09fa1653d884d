"""Students without the published weights, and pictures for the tiny bundle to teach them by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from app.inference.bundle import Bundle
from tests.training.cache.conftest import MadeExample
from training.cache.encoding import ExampleEncoder, Recipe
from training.cache.filling import fill_cache
from training.data.examples import Facts
from training.encoders.efficientnet_lite import EfficientNetLite
from training.encoders.frozen import freeze
from training.methods.simkd.config import SimkdConfig
from training.methods.simkd.lessons import RunTrunk
from training.methods.simkd.student import Shapes, Student

SHAPES = Shapes(grid=4, token=3, class_cells=2)
"""Of the tiny bundle."""
SMALL: dict[str, Any] = {"side": 64, "batch": 4, "rate": 0.02, "backbone_rate": 0.003}


def made(name: str, split: str = "train", *, cell: tuple[int, int] = (1, 2), **options: Any) -> MadeExample:
    """Two frames with a square in a cell, the first of them judged, and a tone."""
    return MadeExample(Facts(name, split=split), cell=cell, **{"n_frames": 2, "judged": (0,), **options})


LESSONS = (
    made("left", cell=(1, 0)),
    made("mute", cell=(2, 2), sound=False),
    made("right", cell=(0, 3)),
    made("val", "val", cell=(3, 1)),
)


def write_pictures(directory: Path, bundle: Bundle, examples: Any = LESSONS, **recipe: Any) -> Path:
    """Write a cache of made-up examples and return its directory."""
    chosen = Recipe(**{"views": 1, "class_map": True, "raw": True, **recipe})
    fill_cache(directory, examples, encoder=ExampleEncoder(bundle, chosen), source={})
    return directory


@contextmanager
def three_classes() -> Iterator[None]:
    """Meanwhile an EfficientNet tells as many classes as the tiny bundle."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.encoders.efficientnet_lite.N_CLASSES", 3)
        yield


def random_backbone(_variant: str = "lite0") -> EfficientNetLite:
    """In place of `load_efficientnet_lite`: always the same, and its answers vary from cell to cell."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = EfficientNetLite("lite0")
        with torch.no_grad():
            for name, weight in backbone.named_parameters():
                if weight.dim() == 4:  # random convolutions would let a picture fade away
                    weight.mul_(2.0)
                elif name == "fc.weight":
                    weight.mul_(8.0)
    return freeze(backbone)


def random_student(shapes: Shapes = SHAPES, config: SimkdConfig | None = None) -> Student:
    config = config or SimkdConfig(**SMALL)
    torch.manual_seed(1)
    student = Student(random_backbone(), shapes, reduction=config.reduction, frozen=config.frozen)
    with torch.no_grad():
        for index in (0, 3, 6):
            student.projector[index].weight.mul_(4.0)
    return student


def quick_trunk(student: Student, _side: int) -> RunTrunk:
    """In place of `trunk_runner`, whose export takes seconds."""

    @torch.no_grad()
    def run(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return student.trunk(torch.from_numpy(frames)).numpy()

    return run
