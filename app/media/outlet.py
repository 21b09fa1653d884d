"""The child's end of the pipe."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from app.media.protocol import Kind, pack

_BEAT_S = 1.0


class Outlet:
    """Writes messages to a descriptor. Every method raises BrokenPipeError once the parent has gone."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._last_s = time.monotonic()

    def send(self, kind: Kind, meta: dict[str, Any], array: npt.NDArray[Any] | None = None) -> None:
        """Send a message; `array` must be contiguous."""
        views = [memoryview(pack(kind, meta, 0 if array is None else array.nbytes))]
        if array is not None and array.nbytes:
            views.append(array.reshape(-1).view(np.uint8).data)
        while views:
            written = os.writev(self._fd, views)
            while views and written >= len(views[0]):
                written -= len(views.pop(0))
            if written:
                views[0] = views[0][written:]
        self._last_s = time.monotonic()

    def beat(self) -> None:
        """Tell the parent that work goes on, if it has heard nothing for a while."""
        if time.monotonic() - self._last_s >= _BEAT_S:
            self.send(Kind.BEAT, {})

    def notice(self, code: str, detail: str) -> None:
        """Send something that the reader of the result must know."""
        self.send(Kind.NOTICE, {"code": code, "detail": detail})
