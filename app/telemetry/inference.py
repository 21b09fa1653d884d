"""Times every run of a graph, without the inference room knowing of metrics."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from app.inference.bundle import Bundle
from app.inference.sessions import Runner
from app.telemetry.metrics import Metrics


class _TimedRunner:
    """A `Runner` whose runs are observed."""

    def __init__(self, runner: Runner, observer: Any) -> None:
        self._runner = runner
        self._observer = observer
        self.entry = runner.entry
        self.buckets = runner.buckets

    def run(self, feeds: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        with self._observer.time():
            return self._runner.run(feeds)


def timed(bundle: Bundle, metrics: Metrics) -> Bundle:
    """The same bundle, with its runs counted in `earsight_inference_seconds`."""
    info = bundle.info
    runners = {
        role: _TimedRunner(runner, metrics.inference_seconds.labels(info.name, info.provider, role))
        for role, runner in bundle.runners.items()
    }
    return dataclasses.replace(bundle, runners=runners)
