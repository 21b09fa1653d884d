"""Where the time of one analysis goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from app.telemetry.metrics import Metrics, Stage


class StageWatch:
    """Adds up the stages of one analysis, which take turns with every batch, and tells each once at the end.

    What is neither opening the clip, nor waiting, nor running graphs counts as `post`.
    """

    def __init__(self) -> None:
        self._begin_s = time.perf_counter()
        self._seconds: dict[Stage, float] = {}

    def opened(self) -> None:
        """The clip is open: what came so far was `probe`."""
        self._seconds["probe"] = time.perf_counter() - self._begin_s

    def decoded(self, seconds: float) -> None:
        """So long frames of the decode child were waited for."""
        self._add("decode", seconds)

    def ran(self, seconds: float) -> None:
        """So long a graph ran."""
        self._add("infer", seconds)

    @contextmanager
    def waiting(self, turn: AbstractContextManager[None]) -> Iterator[None]:
        """`turn`, with the time until it comes as `wait`."""
        begin_s = time.perf_counter()
        with turn:
            self._add("wait", time.perf_counter() - begin_s)
            yield

    def tell(self, metrics: Metrics) -> None:
        """Observe the stages that were reached."""
        total_s = time.perf_counter() - self._begin_s
        rest: Stage = "post" if "probe" in self._seconds else "probe"
        self._seconds[rest] = total_s - sum(self._seconds.values())
        for stage, seconds in self._seconds.items():
            metrics.stage_seconds.labels(stage).observe(seconds)

    def _add(self, stage: Stage, seconds: float) -> None:
        self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds
