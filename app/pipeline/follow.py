"""Looks to the result of a clip: what only the order of time tells, moving objects and whole stretches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from app.inference.bundle import Bundle
from app.inference.manifest import Manifest
from app.media.clip import SourceInfo
from app.pipeline.explain import BEST, event_index
from app.pipeline.looks import Look, Turn
from app.pipeline.options import AnalyzeOptions, Progress
from app.pipeline.stretches import ClipExplainer
from app.pipeline.tracking import Tracker, settle_labels
from app.results.model import Explanation, FrameResults


class Follower:
    """Takes the looks at one clip in their order.

    Attributes:
        explanations: so far.
    """

    def __init__(
        self,
        bundle: Bundle,
        source: SourceInfo,
        options: AnalyzeOptions,
        *,
        turn: Turn,
        on_frames: Callable[[FrameResults], None],
        on_explanation: Callable[[Explanation], None],
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        """The arguments are those of `app.pipeline.analyze.analyze`."""
        self.explanations: list[Explanation] = []
        self._manifest = bundle.manifest
        self._on_frames = on_frames
        self._on_explanation = on_explanation
        self._on_progress = on_progress
        self._duration_s = source.duration_s
        self._n_frames = 0
        self._parts: list[FrameResults] = []
        self._tracker = Tracker() if "detect" in options.tasks else None
        self._explainer = explainer_of(bundle, source, options, turn) if "explain" in options.tasks else None

    def follow(self, look: Look) -> None:
        """Take the next look. Raises Canceled, if `turn` does, and InternalError if the graph fails."""
        part = look.frames
        if self._tracker is not None:
            followed = map(self._tracker.follow, part.time_s.tolist(), part.detections or ())
            part = replace(part, detections=settle_labels(tuple(followed)))
        self._parts.append(part)
        self._on_frames(part)
        self._n_frames += len(part)
        if self._on_progress is not None:
            self._on_progress(Progress(self._n_frames, float(part.time_s[-1]), self._duration_s))
        if self._explainer is None:
            return
        for moment in look.moments:
            if isinstance(moment, Explanation):
                self._tell([*self._explainer.finish(), moment])
            else:
                self._tell(self._explainer.add(moment))

    def finish(self) -> FrameResults:
        """Explain what the clip ended with; all its frames."""
        if self._explainer is not None:
            self._tell(self._explainer.finish())
        return _join(self._parts, self._manifest, detecting=self._tracker is not None)

    def _tell(self, explanations: Iterable[Explanation]) -> None:
        for explanation in explanations:
            self.explanations.append(explanation)
            self._on_explanation(explanation)


def explainer_of(bundle: Bundle, source: SourceInfo, options: AnalyzeOptions, turn: Turn) -> ClipExplainer:
    """What explains the stretches of a clip, or of a part of it."""
    target = BEST if options.target is None else event_index(options.target, bundle.manifest)
    return ClipExplainer(bundle, target=target, duration_s=source.duration_s, turn=turn)


def _join(parts: list[FrameResults], manifest: Manifest, *, detecting: bool) -> FrameResults:
    if not parts:
        return FrameResults(
            time_s=np.zeros(0, np.float64),
            frame=np.zeros(0, np.int64),
            heatmap=np.zeros((0, *manifest.grid), np.float32),
            presence=np.zeros(0, np.float32),
            heard=(),
            detections=() if detecting else None,
        )
    return FrameResults(
        time_s=np.concatenate([part.time_s for part in parts]),
        frame=np.concatenate([part.frame for part in parts]),
        heatmap=np.concatenate([part.heatmap for part in parts]),
        presence=np.concatenate([part.presence for part in parts]),
        heard=tuple(names for part in parts for names in part.heard),
        detections=settle_labels([found for part in parts for found in part.detections or ()])
        if detecting
        else None,
    )
