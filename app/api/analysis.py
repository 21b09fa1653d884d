"""One analysis as a worker thread does it: the pipeline, then one writer. Nothing here knows HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.api.linefile import LineFile
from app.errors import Canceled, EarsightError
from app.inference.bundle import Bundle
from app.inference.manifest import Task
from app.media.clip import SourceInfo
from app.pipeline.analyze import AnalyzeOptions, analyze, sampling_fps, thresholds_of
from app.results.formats import Format, write_result
from app.results.model import Explanation, FrameResults, GroupBy, Result
from app.results.ndjson import explanation_line, final_line, frame_lines, header_line
from app.settings import Settings
from app.telemetry.inference import timed
from app.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Order:
    """What a client asked for, checked."""

    source: Path
    audio: Path | None
    bundle: Bundle
    fps: float | None
    tasks: tuple[Task, ...]
    target: str | None
    format: Format
    group_by: GroupBy

    @property
    def options(self) -> AnalyzeOptions:
        return AnalyzeOptions(fps=self.fps, tasks=self.tasks, target=self.target, group_by=self.group_by)


class Analyst:
    """Carries out orders and counts them. Its methods block: call them in worker threads."""

    def __init__(self, *, settings: Settings, metrics: Metrics, on_work: Callable[[Bundle], None]) -> None:
        """`on_work` is told of a bundle whenever it has answered."""
        self._settings = settings
        self._metrics = metrics
        self._on_work = on_work

    def write_file(self, order: Order, path: Path, cancel: threading.Event) -> None:
        """Analyse and write the result to `path` in the format of the order.

        Raises what `analyze` and `write_result` raise.
        """

        def go_on(_frames_done: int, _fraction: float) -> None:
            if cancel.is_set():
                raise Canceled("the analysis was canceled")

        result = self._analyze(order, cancel)
        with self._metrics.stage("encode"):
            write_result(
                result,
                path,
                format=order.format,
                source=order.source,
                audio=order.audio,
                settings=self._settings,
                progress=go_on,
            )

    def write_lines(self, order: Order, lines: LineFile, cancel: threading.Event) -> None:
        """Analyse and append each line as soon as it is known; the last one repeats the header complete."""

        def begin(source: SourceInfo) -> None:
            lines.append(self._header(order, source))

        def go_on(frames: FrameResults) -> None:
            lines.append(*frame_lines(frames, group_by=order.group_by))

        def explain(explanation: Explanation) -> None:
            lines.append(explanation_line(explanation))

        try:
            result = self._analyze(order, cancel, on_source=begin, on_frames=go_on, on_explanation=explain)
            lines.append(final_line(result))
        finally:
            lines.end()

    def _analyze(
        self,
        order: Order,
        cancel: threading.Event,
        *,
        on_source: Callable[[SourceInfo], None] | None = None,
        on_frames: Callable[[FrameResults], None] | None = None,
        on_explanation: Callable[[Explanation], None] | None = None,
    ) -> Result:
        try:
            with self._metrics.stage("analyze"):
                result = analyze(
                    order.source,
                    bundle=timed(order.bundle, self._metrics),
                    settings=self._settings,
                    options=order.options,
                    audio=order.audio,
                    on_source=on_source,
                    on_frames=on_frames,
                    on_explanation=on_explanation,
                    cancel=cancel,
                )
        except EarsightError as error:
            self._metrics.count_failure(error)
            raise
        self._on_work(order.bundle)
        self._metrics.count_result(result)
        return result

    def _header(self, order: Order, source: SourceInfo) -> bytes:
        manifest = order.bundle.manifest
        return header_line(
            source,
            order.bundle.info,
            sampling_fps=sampling_fps(order.options, settings=self._settings, manifest=manifest),
            thresholds=thresholds_of(manifest),
        )
