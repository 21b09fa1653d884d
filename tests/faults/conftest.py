"""A place for servers to die in, and clips for them to die on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.faults.site")

from tests.faults.disk import Disk  # noqa: E402
from tests.faults.site import Site  # noqa: E402


@pytest.fixture
def site(tmp_path: Path, tiny_environment: dict[str, str]) -> Iterator[Site]:
    site = Site(tmp_path, tiny_environment)
    yield site
    site.close()


@pytest.fixture(scope="session")
def clip(make_clip: Callable[..., Path]) -> bytes:
    """Two seconds."""
    return make_clip(size=(64, 48), fps=16, frames=32, bursts=((0.0, 2.0),)).read_bytes()


@pytest.fixture(scope="session")
def long_clip(make_clip: Callable[..., Path]) -> bytes:
    """Half a minute, which is decoded for seconds."""
    options = {"size": (640, 480), "fps": 30, "frames": 900, "bursts": ((0.0, 30.0),)}
    return make_clip(**options).read_bytes()


@pytest.fixture(scope="session")
def short_clip(make_clip: Callable[..., Path]) -> bytes:
    """A quarter of a second."""
    return make_clip(size=(64, 48), fps=16, frames=4, bursts=((0.0, 0.25),)).read_bytes()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of 16 MB. Request it before the server that uses it."""
    disk = Disk(tmp_path / "disk")
    try:
        disk.mount()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a disk of its own can be mounted by root only")
    yield disk
    disk.unmount()
