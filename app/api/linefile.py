"""A growing file of lines: a worker thread appends, the event loop sends what is there.

The file, not a queue, decouples the two: a client that reads slowly neither holds up the analysis nor
makes the server keep the lines in memory.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import anyio.to_thread

_BLOCK_BYTES = 256 * 1024


class LineFile:
    """Create it on the event loop. `append` and `end` are for one worker thread, the rest for the loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._lock = threading.Lock()
        self._size = 0
        self._ended = False
        path.touch(mode=0o600)

    def append(self, *lines: bytes) -> None:
        """Add whole lines, each with its line break."""
        data = b"".join(lines)
        with self._path.open("ab") as stream:
            stream.write(data)
        with self._lock:
            self._size += len(data)
        self._loop.call_soon_threadsafe(self._changed.set)

    def end(self) -> None:
        """Say that no line will follow."""
        with self._lock:
            self._ended = True
        self._loop.call_soon_threadsafe(self._changed.set)

    async def begun(self) -> bool:
        """Wait for the first line; False if the file ended without one."""
        while True:
            self._changed.clear()
            size, ended = self._state()
            if size or ended:
                return size > 0
            await self._changed.wait()

    async def blocks(self) -> AsyncIterator[bytes]:
        """What was appended, from the first line on, until the end."""
        offset = 0
        while True:
            self._changed.clear()
            size, ended = self._state()
            while offset < size:
                block = await anyio.to_thread.run_sync(self._read, offset, min(_BLOCK_BYTES, size - offset))
                offset += len(block)
                yield block
            if ended:
                return
            await self._changed.wait()

    def _state(self) -> tuple[int, bool]:
        with self._lock:
            return self._size, self._ended

    def _read(self, offset: int, length: int) -> bytes:
        with self._path.open("rb") as stream:
            stream.seek(offset)
            return stream.read(length)
