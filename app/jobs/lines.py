"""The lines of a running job: one thread appends to a file, others read what is there."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import BinaryIO


class LiveLines:
    """A growing file of whole lines.

    The file, not a queue, decouples the two sides: whoever reads slowly neither holds up the work nor makes
    the server keep the lines in memory. The file may be removed while it is read: readers go on to its end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream = path.open("xb", buffering=0)
        self._lock = threading.Lock()
        self._size_bytes = 0
        self._n_lines = 0
        self._ended = False

    @property
    def n_lines(self) -> int:
        return self._n_lines

    @property
    def state(self) -> tuple[int, bool]:
        """How many bytes there are, and whether none will follow."""
        with self._lock:
            return self._size_bytes, self._ended

    def append(self, *lines: bytes) -> None:
        """Add whole lines, each with its line break."""
        data = b"".join(lines)
        self._stream.write(data)
        with self._lock:
            self._size_bytes += len(data)
            self._n_lines += len(lines)

    def end(self) -> None:
        """Say that no line will follow."""
        self._stream.close()
        with self._lock:
            self._ended = True

    def open(self) -> BinaryIO:
        """The file from its beginning. Raises FileNotFoundError once it has been removed."""
        return self._path.open("rb")
