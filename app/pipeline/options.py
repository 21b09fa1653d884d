"""What may be asked of an analysis, and how far one has come."""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import InvalidRequest
from app.inference.manifest import Manifest, Task
from app.pipeline.explain import event_index
from app.results.model import GroupBy
from app.settings import Settings

MIN_FPS, MAX_FPS = 0.001, 60.0


@dataclass(frozen=True, slots=True)
class AnalyzeOptions:
    """What to do with a clip.

    Attributes:
        fps: frames analysed per second, from `MIN_FPS` to `MAX_FPS`; None takes the setting, or else the
            bundle's rate.
        tasks: what to compute; all tasks share one decoding and one encoding. The heatmap is always there,
            since `detect` needs it to tell which objects sound, and `explain` where to look.
        target: name of the event that `explain` is about; None takes the one with the highest score.
        group_by: passed on to the result for its writers.
    """

    fps: float | None = None
    tasks: tuple[Task, ...] = ("localize",)
    target: str | None = None
    group_by: GroupBy = "frame"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an analysis has come: frames done, time of the last one, and the length of the clip."""

    frames_done: int
    time_s: float
    duration_s: float


def sampling_fps(options: AnalyzeOptions, *, settings: Settings, manifest: Manifest) -> float:
    """The rate asked for, else the one of the settings, else that of the bundle. Raises InvalidRequest."""
    if options.fps is None:
        return settings.inference.fps or manifest.sample_fps
    if not MIN_FPS <= options.fps <= MAX_FPS:  # also refuses NaN
        raise InvalidRequest(f"fps must be at least {MIN_FPS:g} and at most {MAX_FPS:g}", limit=MAX_FPS)
    return options.fps


def check_tasks(options: AnalyzeOptions, *, manifest: Manifest) -> None:
    """Raises InvalidRequest if a task is asked for that the bundle does not offer."""
    missing = [task for task in options.tasks if task not in manifest.tasks]
    if missing or not options.tasks:
        raise InvalidRequest(
            f"the bundle {manifest.name} offers {', '.join(manifest.tasks)}; asked for:"
            f" {', '.join(options.tasks) or 'nothing'}"
        )


def check_target(options: AnalyzeOptions, *, manifest: Manifest) -> None:
    """Raises InvalidRequest if an event is asked for that there is not, or that nobody would explain."""
    if options.target is None:
        return
    if "explain" not in options.tasks:
        raise InvalidRequest("a target needs the task explain")
    event_index(options.target, manifest)
