"""Watches every run of a graph, without the inference room knowing of metrics."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy.typing as npt

from app.inference.bundle import Bundle
from app.inference.sessions import Runner
from app.results.model import ModelInfo
from app.telemetry.metrics import Metrics


class _WatchedRunner:
    """A `Runner` whose runs are observed."""

    def __init__(
        self, runner: Runner, role: str, *, info: ModelInfo, metrics: Metrics, on_run: Callable[[float], None]
    ) -> None:
        self._runner = runner
        self._on_run = on_run
        self._seconds = metrics.inference_seconds.labels(info.name, info.provider, role)
        self._batch = metrics.batch_items.labels(role)
        self._items = metrics.infer_items.labels(role)
        self._runs = metrics.infer_runs.labels(role)
        self.entry = runner.entry
        self.buckets = runner.buckets

    def run(self, feeds: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        begin_s = time.perf_counter()
        try:
            return self._runner.run(feeds)
        finally:
            seconds = time.perf_counter() - begin_s
            n_items = next(len(values) for values in feeds.values() if values.ndim)
            self._seconds.observe(seconds)
            self._batch.observe(n_items)
            self._items.inc(n_items)
            self._runs.inc()
            self._on_run(seconds)


def watched(bundle: Bundle, metrics: Metrics, on_run: Callable[[float], None]) -> Bundle:
    """The same bundle, its runs counted in the metrics and `on_run` told how many seconds each took."""
    runners = {
        role: _WatchedRunner(runner, role, info=bundle.info, metrics=metrics, on_run=on_run)
        for role, runner in bundle.runners.items()
    }
    return dataclasses.replace(bundle, runners=runners)
