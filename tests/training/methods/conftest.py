"""Caches of made-up scenes, and configurations small enough to be trained on them in a moment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.inference.bundle import Bundle
from tests.training.cache.conftest import MadeExample
from tests.training.methods.made_scenes import scenes, write_scenes
from training.cache.encoding import ExampleEncoder, Recipe
from training.cache.filling import fill_cache
from training.data.examples import Facts
from training.loop.fitting import RunOptions
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc
from training.methods.running import Request
from training.methods.sspl.config import SsplConfig
from training.methods.sspl.module import Sspl

_CMC = {"width": 16, "hidden": 64, "cells": 2, "dropout": 0.0, "temperature": 0.3, "rate": 0.02}
_SSPL = {"channels": 16, "hidden": 16, "projected": 16, "bottleneck": 8}


@pytest.fixture(scope="session")
def made_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 scenes to train on and 32 to choose by, of two moments each. Do not write to it."""
    return write_scenes(tmp_path_factory.mktemp("caches") / "made", scenes(96, 32))


@pytest.fixture
def request_of(made_cache: Path, tmp_path: Path) -> Callable[..., Request]:
    """Makes the request to train a method on `made_cache`, or on another one, in a directory of that name."""

    def make(
        method: str = "cmc",
        *,
        out: str = "run",
        cache: Path = made_cache,
        shuffled: bool = False,
        seed: int = 0,
        resume: bool = False,
        **changes: Any,
    ) -> Request:
        values = {"batch": 32, "epochs": 1, **(_CMC if method == "cmc" else _SSPL), **changes}
        kind, config = (Cmc, CmcConfig) if method == "cmc" else (Sspl, SsplConfig)
        run = RunOptions(tmp_path / out, values["epochs"], seed, devices=1, accelerator="cpu", resume=resume)
        return Request(kind, config(**values), (cache,), run, shuffled_audio=shuffled)

    return make


@pytest.fixture(scope="session")
def raw_cache(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three examples to train on, `mute` without sound, and one to choose by, all with frames and sound as
    they are. Do not write to it."""
    directory = tmp_path_factory.mktemp("caches") / "raw"
    examples = [
        MadeExample(Facts("left", split="train"), cell=(1, 0)),
        MadeExample(Facts("mute", split="train"), sound=False),
        MadeExample(Facts("right", split="train"), cell=(1, 3)),
        MadeExample(Facts("val", split="val"), judged=(0, 1)),
    ]
    encoder = ExampleEncoder(tiny_bundle, Recipe(views=0, raw=True))
    fill_cache(directory, examples, encoder=encoder, source={})
    return directory
