"""Where the time of an analysis goes, as the metrics of the service tell it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from app.bench.clips import FPS
from app.bench.figures import Figure
from app.inference.bundle import Bundle
from app.inference.turns import Turns
from app.jobs.analyst import Analyst, Order
from app.pipeline.options import AnalyzeOptions
from app.results.formats import FORMATS
from app.settings import Settings
from app.telemetry.metrics import Metrics
from app.telemetry.tracing import NoTracing

TURNS = 3


def stage_figures(
    bundle: Bundle, settings: Settings, clip: Path, *, content: str, turns: int = TURNS
) -> list[Figure]:
    """Seconds and share of each stage of an analysis with all tasks of the bundle, and those of an overlay.

    Decoding goes on in a process of its own meanwhile; its stage is how long frames were waited for.
    """
    runs = [_run(bundle, settings, clip) for _ in range(turns)]
    on = f"{clip.stem} of 720p ({content}) at {FPS:g} fps, {', '.join(bundle.manifest.tasks)}; {turns} times"
    figures = []
    for stage in runs[0].stages:
        seconds = [run.stages[stage] for run in runs]
        shares = [100 * run.stages[stage] / sum(run.stages.values()) for run in runs]
        figures += [
            Figure.over(f"stage {stage}", seconds, "s", on),
            Figure.over(f"stage {stage}, share", shares, "%", on),
        ]
    return [*figures, Figure.over("writing an overlay", [run.overlay_s for run in runs], "s", on)]


@dataclass(frozen=True, slots=True)
class _Run:
    """Attributes: stages: name to seconds; none counts twice, and together they are all but the overlay."""

    stages: dict[str, float]
    overlay_s: float


def _run(bundle: Bundle, settings: Settings, clip: Path) -> _Run:
    metrics = Metrics()
    analyst = Analyst(
        settings=settings, metrics=metrics, tracing=NoTracing(), turns=Turns(), on_work=lambda _: None
    )
    order = Order(
        source=clip,
        audio=None,
        bundle=bundle,
        options=AnalyzeOptions(fps=FPS, tasks=bundle.manifest.tasks),
        owner="bench",
        name="bench",
    )
    cancel = threading.Event()
    result = analyst.analyze(order, cancel)

    def write_s(name: str) -> float:
        """The seconds that the metrics say a format took."""
        before_s = _seconds(metrics, "earsight_stage", stage="encode")
        path = clip.with_name(FORMATS[name].file_name)
        analyst.write(result, path, FORMATS[name], order=order, cancel=cancel)
        path.unlink()
        return _seconds(metrics, "earsight_stage", stage="encode") - before_s

    graphs = {role: _graph_s(metrics, bundle, role) for role in bundle.runners}
    encoders_s = graphs.pop("visual") + graphs.pop("audio")
    stages = {
        "open": _seconds(metrics, "earsight_stage", stage="probe"),
        "decode (frames waited for)": _seconds(metrics, "earsight_stage", stage="decode"),
        "encode (visual and audio graph)": encoders_s,
        "heads (all other graphs)": sum(graphs.values()),
        "rest of the analysis": _seconds(metrics, "earsight_stage", stage="post"),
        "write (JSON)": write_s("json"),
    }
    return _Run(stages, write_s("overlay"))


def _graph_s(metrics: Metrics, bundle: Bundle, role: str) -> float:
    info = bundle.info
    return _seconds(metrics, "earsight_inference", model=info.name, provider=info.provider, graph=role)


def _seconds(metrics: Metrics, name: str, **labels: str) -> float:
    """The sum of a histogram of seconds; 0 as long as nothing was observed."""
    return metrics.registry.get_sample_value(f"{name}_seconds_sum", labels) or 0.0
