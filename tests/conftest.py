"""Fixtures of the whole suite."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

pytest_plugins = [
    "tests.fixtures_bundle",
    "tests.fixtures_canceling",
    "tests.fixtures_postgresql",
    "tests.fixtures_server",
]


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def clip_factory() -> ModuleType:
    """The module tests/media/factory.py: what the synthetic clips contain and how to find it again."""
    return _load("earsight_clip_factory", Path(__file__).parent / "media" / "factory.py")


@pytest.fixture(scope="session")
def make_clip(clip_factory: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a synthetic clip from `ClipOptions` and gives its path; the same options give the same file."""
    return clip_factory.ClipFactory(tmp_path_factory.mktemp("clips"))
