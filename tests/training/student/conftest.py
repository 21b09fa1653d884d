"""A bundle to make faster, and students that were trained for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tiny_bundle import write_sharing_bundle, write_tiny_bundle
from tests.training.methods.made_scenes import save_untrained
from tests.training.methods.simkd.made_students import SHAPES, SMALL, random_student, three_classes
from training.guided.localizer import load_localizer
from training.methods.simkd.config import Objective, SimkdConfig
from training.methods.simkd.module import Simkd
from training.methods.simkd.student import Shapes

SaveStudent = Callable[..., Path]


@pytest.fixture(autouse=True)
def _few_classes() -> Iterator[None]:
    with three_classes():
        yield


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    """A directory for bundles, with `big`, which detects and explains, and `tiny-small`, which shares with
    it all but its visual graph."""
    root = tmp_path / "bundles"
    write_sharing_bundle(write_tiny_bundle(root, name="big", detects=True, explains=True))
    return root


@pytest.fixture
def save_student(tmp_path: Path) -> SaveStudent:
    """Writes the checkpoint of a random student, whose weights half precision holds exactly."""

    def save(shapes: Shapes = SHAPES, *, objective: Objective = "simkd") -> Path:
        config = SimkdConfig(**SMALL, objective=objective)
        student = random_student(shapes, config)
        localizer = None if objective == "simkd" else load_localizer()
        return save_untrained(
            Simkd(config, student.half().float(), localizer=localizer), tmp_path / "best.ckpt"
        )

    return save
