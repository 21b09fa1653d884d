"""One analysis as a worker thread does it: the pipeline under the rules of the service, then the writers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.errors import Canceled, EarsightError, LimitExceeded
from app.inference.bundle import Bundle
from app.inference.turns import Turns
from app.media.clip import SourceInfo
from app.pipeline.analyze import analyze, thresholds_of
from app.pipeline.options import AnalyzeOptions, Progress, sampling_fps
from app.pipeline.parts import Crew
from app.results.formats import Format, write_result
from app.results.model import Explanation, FrameResults, Result
from app.results.ndjson import explanation_line, final_line, frame_lines, header_line
from app.settings import Settings
from app.telemetry.inference import watched
from app.telemetry.metrics import Metrics
from app.telemetry.stages import StageWatch
from app.telemetry.tracing import Tracing


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be analysed, checked.

    Attributes:
        owner, name: whose work it is, and which; owners, and then their works, take turns at the graphs.
        max_duration_s: longest clip that is accepted; None leaves it to `limits.max_duration_s`.
    """

    source: Path
    audio: Path | None
    bundle: Bundle
    options: AnalyzeOptions
    owner: str
    name: str
    max_duration_s: float | None = None


class Lines(Protocol):
    """Where the lines of a running analysis go."""

    def append(self, *lines: bytes) -> None: ...


class Analyst:
    """Carries out orders and counts them. Its methods block: call them in worker threads."""

    def __init__(
        self,
        *,
        settings: Settings,
        metrics: Metrics,
        tracing: Tracing,
        turns: Turns,
        on_work: Callable[[Bundle], None],
    ) -> None:
        """`on_work` is told of a bundle whenever it has answered."""
        self._settings = settings
        self._metrics = metrics
        self._tracing = tracing
        self._turns = turns
        self._on_work = on_work

    def analyze(
        self,
        order: Order,
        cancel: threading.Event,
        *,
        lines: Lines | None = None,
        on_source: Callable[[SourceInfo], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
        crew: Crew | None = None,
    ) -> Result:
        """Analyse a clip.

        Args:
            cancel: set it to end the work within a second.
            lines: gets each line of the result (NDJSON) as soon as it is known; the last one repeats the
                header, complete.
            on_source, progress, crew: as for `app.pipeline.analyze.analyze`.

        Raises what that raises, and LimitExceeded when the clip is longer than the order allows.
        """
        teller = None if lines is None else _Teller(order, lines, self._settings)
        watch, span = StageWatch(), ExitStack()

        def begin(source: SourceInfo) -> None:
            watch.opened()
            span.close()
            span.enter_context(self._tracing.span("analyze"))
            _check_duration(source, order.max_duration_s)
            if on_source is not None:
                on_source(source)
            if teller is not None:
                teller.begin(source)

        def turn() -> AbstractContextManager[None]:
            return watch.waiting(self._turns.turn(order.owner, order.name, cancel))

        try:
            with span:
                span.enter_context(self._tracing.span("probe"))
                result = analyze(
                    order.source,
                    bundle=watched(order.bundle, self._metrics, watch.ran),
                    settings=self._settings,
                    options=order.options,
                    audio=order.audio,
                    on_source=begin,
                    on_frames=None if teller is None else teller.tell_frames,
                    on_explanation=None if teller is None else teller.tell_explanation,
                    progress=progress,
                    on_decoded=watch.decoded,
                    cancel=cancel,
                    turn=turn,
                    crew=crew,
                )
        except EarsightError as error:
            self._metrics.count_failure(error)
            raise
        finally:
            watch.tell(self._metrics)
        self._on_work(order.bundle)
        self._metrics.count_result(result)
        if lines is not None:
            lines.append(final_line(result))
        return result

    def write(
        self,
        result: Result,
        path: Path,
        format: Format,
        *,
        order: Order,
        cancel: threading.Event,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        """Write the result to `path`; `progress` gets the fraction done, of an overlay only.

        Raises what `write_result` raises, and Canceled.
        """

        def go_on(_frames_done: int, fraction: float) -> None:
            if cancel.is_set():
                raise Canceled("the analysis was canceled")
            if progress is not None:
                progress(fraction)

        with self._metrics.stage("encode"), self._tracing.span("encode", format=format.name):
            write_result(
                result,
                path,
                format=format,
                source=order.source,
                audio=order.audio,
                settings=self._settings,
                progress=go_on,
                cancel=cancel,
            )


class _Teller:
    """Turns what an analysis finds into lines, as it finds it."""

    def __init__(self, order: Order, lines: Lines, settings: Settings) -> None:
        self._order = order
        self._lines = lines
        self._settings = settings

    def begin(self, source: SourceInfo) -> None:
        bundle, options = self._order.bundle, self._order.options
        self._lines.append(
            header_line(
                source,
                bundle.info,
                sampling_fps=sampling_fps(options, settings=self._settings, manifest=bundle.manifest),
                thresholds=thresholds_of(bundle.manifest),
            )
        )

    def tell_frames(self, frames: FrameResults) -> None:
        self._lines.append(*frame_lines(frames, group_by=self._order.options.group_by))

    def tell_explanation(self, explanation: Explanation) -> None:
        self._lines.append(explanation_line(explanation))


def _check_duration(source: SourceInfo, max_duration_s: float | None) -> None:
    if max_duration_s is not None and source.duration_s > max_duration_s:
        raise LimitExceeded(
            f"the clip lasts {source.duration_s:.0f} s, and clips longer than {max_duration_s:g} s are not"
            " answered at once: send it to POST /v1/jobs",
            limit=max_duration_s,
            setting="EARSIGHT_LIMITS__MAX_SYNC_DURATION_S",
        )
