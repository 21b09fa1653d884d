"""A cache of blocks, requests to train on it, and a detector that was trained on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training.methods.avdet.made_blocks import SMALL, blocks, bright, train_blocks
from tests.training.methods.made_scenes import write_scenes
from training.evaluation.sounds import Localizer
from training.loop.fitting import RunOptions
from training.methods.avdet.config import AvdetConfig
from training.methods.avdet.running import Request, Trained


@pytest.fixture(scope="session")
def block_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 scenes to train on and 24 to choose by, of two frames each. Do not write to it."""
    return write_scenes(tmp_path_factory.mktemp("caches") / "blocks", blocks(48, 24))


@pytest.fixture(scope="session")
def blocks_trained(block_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, list[str]]:
    """A detector trained on `block_cache` as `request_of` has it, for four epochs, and what was said."""
    said: list[str] = []
    return train_blocks(block_cache, tmp_path_factory.mktemp("runs") / "blocks", say=said.append), said


@pytest.fixture
def request_of(block_cache: Path, tmp_path: Path) -> Callable[..., Request]:
    """Makes the request to train on `block_cache`, or on another one, in a directory of that name."""

    def make(
        *,
        out: str = "run",
        cache: Path = block_cache,
        localize: Localizer = bright,
        seed: int = 0,
        epochs: int = 1,
        resume: bool = False,
        minutes: float | None = None,
        shuffled_audio: bool = False,
        shuffled_labels: bool = False,
        **changes: Any,
    ) -> Request:
        run = RunOptions(
            tmp_path / out, epochs, seed, devices=1, accelerator="cpu", resume=resume, minutes=minutes
        )
        return Request(
            AvdetConfig(**{**SMALL, "epochs": epochs, **changes}),
            (cache,),
            localize,
            run,
            shuffled_audio=shuffled_audio,
            shuffled_labels=shuffled_labels,
        )

    return make
