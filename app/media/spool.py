"""Scratch directories: private, with generated names, gone when the work is done.

Each is held under a lock for as long as its owner lives, so that a sweep at start-up can tell what a
crashed process left behind from what another process on the same volume is using.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "earsight-scratch-"


@contextmanager
def scratch(root: Path | None) -> Iterator[Path]:
    """A new empty directory with mode 0700 below `root`, removed with all it holds on exit.

    Args:
        root: where to make it; created if missing. None takes the system's directory for temporary files.

    Raises:
        OSError: it cannot be made.
    """
    directory, lock = _claim(_root(root))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def sweep(root: Path | None) -> int:
    """Remove the scratch directories below `root` whose owner is gone. Returns how many there were."""
    swept = 0
    for directory in _root(root).glob(PREFIX + "*"):
        with suppress(OSError):  # somebody else's, in use, or swept by another process just now
            swept += _sweep_one(directory)
    return swept


def used_bytes(root: Path | None) -> int:
    """Size of all files in the scratch directories below `root`."""
    used = 0
    for directory in _root(root).glob(PREFIX + "*"):
        for path in directory.rglob("*"):
            with suppress(OSError):  # removed just now
                used += path.lstat().st_size
    return used


def _root(root: Path | None) -> Path:
    if root is None:
        return Path(tempfile.gettempdir())
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return root


def _claim(root: Path) -> tuple[Path, int]:
    while True:
        directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        # A sweep that runs at this moment may take it for a leftover; then make another.
        with suppress(BlockingIOError, FileNotFoundError):
            lock = _lock(directory)
            if directory.exists():
                return directory, lock
            os.close(lock)


def _lock(directory: Path) -> int:
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


def _sweep_one(directory: Path) -> bool:
    lock = _lock(directory)
    try:
        if os.fstat(lock).st_uid != os.getuid():
            return False
        shutil.rmtree(directory)
        return True
    finally:
        os.close(lock)
