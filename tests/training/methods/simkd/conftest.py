"""A cache of pictures, and requests to train students on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import training.methods.simkd.running
from app.inference.bundle import Bundle
from tests.training.methods.simkd.made_students import (
    SMALL,
    quick_trunk,
    random_backbone,
    three_classes,
    write_pictures,
)
from training.loop.fitting import RunOptions
from training.methods.simkd.config import SimkdConfig
from training.methods.simkd.running import Request


@pytest.fixture(autouse=True)
def _few_classes() -> Iterator[None]:
    with three_classes():
        yield


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights in place of the published ones, and frozen blocks that need not be exported."""
    monkeypatch.setattr(training.methods.simkd.running, "load_efficientnet_lite", random_backbone)
    monkeypatch.setattr(training.methods.simkd.running, "trunk_runner", quick_trunk)


@pytest.fixture(scope="session")
def pictures(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of six frames to learn from, two of them mute, and two to choose by, with a view of each. Do
    not write to it."""
    return write_pictures(tmp_path_factory.mktemp("caches") / "pictures", tiny_bundle)


@pytest.fixture
def request_of(weights: None, pictures: Path, tmp_path: Path) -> Callable[..., Request]:
    """Makes the request to train on `pictures`, or on another cache, in a directory of that name."""

    def make(
        *,
        out: str = "run",
        cache: Path = pictures,
        seed: int = 0,
        epochs: int = 1,
        resume: bool = False,
        minutes: float | None = None,
        heard_only: bool = False,
        **changes: Any,
    ) -> Request:
        run = RunOptions(
            tmp_path / out,
            epochs,
            seed,
            devices=1,
            accelerator="cpu",
            resume=resume,
            minutes=minutes,
        )
        config = SimkdConfig(**{**SMALL, "epochs": epochs, **changes})
        return Request(config, (cache,), run, heard_only=heard_only)

    return make
