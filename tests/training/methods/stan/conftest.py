"""Caches of clips for the tiny bundle, and requests to train on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import training.methods.stan.running
from app.inference.bundle import Bundle
from tests.training.methods.stan.made_clips import SMALL, clips, tiny_teacher, write_clips
from training.loop.fitting import RunOptions
from training.methods.stan.config import StanConfig
from training.methods.stan.running import Request


@pytest.fixture(scope="session")
def clip_cache(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 clips to train on and 6 to choose by. Do not write to it."""
    directory = tmp_path_factory.mktemp("caches") / "clips"
    return write_clips(directory, tiny_bundle, [*clips(16, split="train"), *clips(6, split="val")])


@pytest.fixture
def request_of(
    clip_cache: Path, tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Request]:
    """Makes the request to train on `clip_cache`, or on another one, in a directory of that name."""
    monkeypatch.setattr(training.methods.stan.running, "take_published", tiny_teacher)

    def make(
        *,
        out: str = "run",
        cache: Path = clip_cache,
        seed: int = 0,
        epochs: int = 1,
        shuffled_audio: bool = False,
        **changes: Any,
    ) -> Request:
        run = RunOptions(tmp_path / out, epochs, seed, devices=1, accelerator="cpu")
        config = StanConfig(**{**SMALL, "epochs": epochs, **changes})
        return Request(config, (cache,), tiny_bundle, tiny_bundle.localize, run, shuffled_audio)

    return make
