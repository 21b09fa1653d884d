"""Prometheus metrics of one process.

No request id, file name or other text of a client is ever a label, so the number of series stays small.
One uvicorn worker per container keeps Prometheus' multi-process mode out of the way.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

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

from app.errors import EarsightError, InternalError, MediaError, error_kinds
from app.media.protocol import CPU_SETTING, MEMORY_SETTING, STALL_SETTING
from app.results.model import ModelInfo, Result

CONTENT_TYPE = CONTENT_TYPE_LATEST
# The limits whose breach ends the decode child from outside.
_KILLED_BY = {STALL_SETTING: "stall", CPU_SETTING: "cpu", MEMORY_SETTING: "memory"}
_CODES = frozenset(kind.code for kind in error_kinds())
_SECONDS = (0.005, 0.02, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_WAITS = (0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400)

Stage = Literal["upload", "probe", "decode", "wait", "infer", "post", "encode"]
"""What the time of a request goes into: receiving it, opening the clip, waiting for frames of the decode
child, waiting for a turn at the graphs, running them, the rest of the analysis, and writing a format."""


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
            "Time that a request or a job spent in a stage, all its turns together.",
            ("stage",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.queue_depth = Gauge(
            "earsight_queue_depth",
            "Requests for an answer at once that wait for a free place.",
            registry=registry,
        )
        self.running = Gauge(
            "earsight_analyses_in_progress",
            "Requests for an answer at once that are analysed now.",
            registry=registry,
        )
        self._add_job_instruments()
        self.decode_failures = Counter(
            "earsight_decode_failures", "Inputs that could not be decoded.", ("code",), registry=registry
        )
        self.child_killed = Counter(
            "earsight_child_killed", "Decode children that were killed.", ("why",), registry=registry
        )
        self._add_inference_instruments()
        self.frames = Counter("earsight_frames", "Frames that were analysed.", registry=registry)
        self.video_seconds = Counter(
            "earsight_video_seconds", "Seconds of video that were analysed.", registry=registry
        )
        self.upload_bytes = Counter("earsight_upload_bytes", "Bytes of files received.", registry=registry)
        self.scratch_bytes = Gauge(
            "earsight_scratch_bytes",
            "Size of the files of running work: uploads, and results on their way.",
            registry=registry,
        )
        self.model_info = Gauge(
            "earsight_model_info",
            "1 for each bundle that is loaded.",
            ("name", "version", "sha256", "provider"),
            registry=registry,
        )

    def _add_job_instruments(self) -> None:
        registry = self.registry
        self.jobs = Counter(
            "earsight_jobs",
            "Jobs that have ended; the reason is the code of the error.",
            ("status", "reason"),
            registry=registry,
        )
        self.jobs_in_progress = Gauge(
            "earsight_jobs_in_progress", "Jobs that this process works on now.", registry=registry
        )
        self.job_queue_depth = Gauge(
            "earsight_job_queue_depth",
            "Jobs that wait in the store, which processes may share; NaN if it cannot be asked.",
            registry=registry,
        )
        self.job_queue_wait_seconds = Histogram(
            "earsight_job_queue_wait_seconds",
            "Time from the acceptance of a job to its first begin.",
            buckets=_WAITS,
            registry=registry,
        )
        self.webhook_deliveries = Counter(
            "earsight_webhook_deliveries",
            "Attempts to deliver the message about a job.",
            ("outcome",),
            registry=registry,
        )

    def _add_inference_instruments(self) -> None:
        registry = self.registry
        self.inference_seconds = Histogram(
            "earsight_inference_seconds",
            "Time of one run of a graph.",
            ("model", "provider", "graph"),
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=registry,
        )
        self.batch_items = Histogram(
            "earsight_batch_items",
            "Frames, windows of sound or things in one run of a graph.",
            ("graph",),
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=registry,
        )
        self.infer_items = Counter(
            "earsight_infer_items",
            "Frames, windows of sound or things that went through a graph.",
            ("graph",),
            registry=registry,
        )
        self.infer_runs = Counter("earsight_infer_runs", "Runs of a graph.", ("graph",), registry=registry)

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

    def count_job(self, status: str, code: str | None) -> None:
        """Count a job that has ended; a code that is no error's of ours counts as a fault of ours."""
        known = code is None or code in _CODES
        self.jobs.labels(status, (code or "") if known else InternalError.code).inc()

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Measure the time of the block as the stage `name`, whether or not it fails."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.stage_seconds.labels(name).observe(time.perf_counter() - begin)

    def render(self) -> bytes:
        """All metrics in the text format whose media type is `CONTENT_TYPE`."""
        return generate_latest(self.registry)
