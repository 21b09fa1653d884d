"""What tests of canceling share: how soon work has to end, and that no decode child outlives it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.errors import Canceled
from app.media import worker

WITHIN_S = 1.0


@contextmanager
def canceled_in_time(cancel: threading.Event) -> Iterator[None]:
    """Set `cancel` after a while; what runs meanwhile has to end with Canceled a second later at most."""
    set_s = []

    def stop() -> None:
        set_s.append(time.monotonic())
        cancel.set()

    timer = threading.Timer(0.4, stop)
    timer.start()
    try:
        with pytest.raises(Canceled):
            yield
        assert time.monotonic() - set_s[0] < WITHIN_S
    finally:
        timer.cancel()
        timer.join()


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Process ids of the decode children that the test starts."""
    pids = []
    start = worker.DecodeWorker.__init__

    def note(self, *arguments, **keywords) -> None:
        start(self, *arguments, **keywords)
        pids.append(self.pid)

    monkeypatch.setattr(worker.DecodeWorker, "__init__", note)
    return pids


def all_gone(pids: list[int]) -> bool:
    """Whether there were such processes, and none is left."""
    return bool(pids) and not any(Path(f"/proc/{pid}").exists() for pid in pids)
