"""Prometheus metrics of one process.

No request id, file name or other text of a client is ever a label, so the number of series stays small.
One uvicorn worker per container keeps Prometheus' multi-process mode out of the way.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from app.errors import EarsightError, MediaError
from app.media.protocol import CPU_SETTING, MEMORY_SETTING, STALL_SETTING
from app.results.model import ModelInfo, Result

CONTENT_TYPE = CONTENT_TYPE_LATEST
# The limits whose breach ends the decode child from outside.
_KILLED_BY = {STALL_SETTING: "stall", CPU_SETTING: "cpu", MEMORY_SETTING: "memory"}
_SECONDS = (0.005, 0.02, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class Metrics:
    """The instruments of one application, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        registry = self.registry
        self.http_requests = Counter(
            "earsight_http_requests",
            "Answered HTTP requests.",
            ("route", "method", "status"),
            registry=registry,
        )
        self.http_request_seconds = Histogram(
            "earsight_http_request_seconds",
            "Time from the first byte of a request to the last byte of its answer.",
            ("route", "method"),
            buckets=_SECONDS,
            registry=registry,
        )
        self.stage_seconds = Histogram(
            "earsight_stage_seconds",
            "Time spent in a stage of a request.",
            ("stage",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.queue_depth = Gauge(
            "earsight_queue_depth", "Analyses that wait for a free place.", registry=registry
        )
        self.running = Gauge("earsight_analyses_in_progress", "Analyses that run now.", registry=registry)
        self.decode_failures = Counter(
            "earsight_decode_failures", "Inputs that could not be decoded.", ("code",), registry=registry
        )
        self.child_killed = Counter(
            "earsight_child_killed", "Decode children that were killed.", ("why",), registry=registry
        )
        self.inference_seconds = Histogram(
            "earsight_inference_seconds",
            "Time of one run of a graph.",
            ("model", "provider", "graph"),
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=registry,
        )
        self.frames = Counter("earsight_frames", "Frames that were analysed.", registry=registry)
        self.video_seconds = Counter(
            "earsight_video_seconds", "Seconds of video that were analysed.", registry=registry
        )
        self.upload_bytes = Counter("earsight_upload_bytes", "Bytes of files received.", registry=registry)
        self.model_info = Gauge(
            "earsight_model_info",
            "1 for each bundle that is loaded.",
            ("name", "version", "sha256", "provider"),
            registry=registry,
        )

    def set_models(self, models: list[ModelInfo]) -> None:
        """Replace the bundles that `earsight_model_info` names."""
        self.model_info.clear()
        for model in models:
            self.model_info.labels(model.name, model.version, model.sha256, model.provider).set(1)

    def count_result(self, result: Result) -> None:
        self.frames.inc(len(result.frames))
        self.video_seconds.inc(max(0.0, result.source.duration_s))

    def count_failure(self, error: EarsightError) -> None:
        """Count an analysis that failed because of its input."""
        if isinstance(error, MediaError):
            self.decode_failures.labels(error.code).inc()
        if error.setting in _KILLED_BY:
            self.child_killed.labels(_KILLED_BY[error.setting]).inc()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the time of the block as the stage `name`, whether or not it fails."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.stage_seconds.labels(name).observe(time.perf_counter() - begin)

    def render(self) -> bytes:
        """All metrics in the text format whose media type is `CONTENT_TYPE`."""
        return generate_latest(self.registry)
