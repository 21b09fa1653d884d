"""One clip from its file to its result, chunk by chunk, in memory that does not grow with its length."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.errors import Canceled, InvalidRequest
from app.inference.bundle import Bundle
from app.inference.manifest import Manifest, Task
from app.media.clip import ClipChunk, SourceInfo
from app.media.stream import ClipStream, open_clip
from app.pipeline.detect import detect
from app.pipeline.encode import ChunkEncoder, sound_margin_s
from app.pipeline.envelope import Envelope
from app.pipeline.explain import BEST, event_index
from app.pipeline.features import Features
from app.pipeline.localize import localize, unheard
from app.pipeline.naming import name_sounds
from app.pipeline.stretches import ClipExplainer
from app.pipeline.tracking import Tracker, settle_labels
from app.results.model import Explanation, FrameResults, GroupBy, Notice, Result, Thresholds
from app.settings import Settings

Floats = npt.NDArray[np.float32]

MAX_FPS = 60.0

NO_AUDIO = Notice(
    "no_audio",
    "There is no sound in this clip, so there is nothing to localise: every heatmap and presence is 0, and no"
    " object sounds."
    " Pass the sound as a separate audio file.",
)


@dataclass(frozen=True, slots=True)
class AnalyzeOptions:
    """What to do with a clip.

    Attributes:
        fps: frames analysed per second, up to `MAX_FPS`; None takes the setting, or else the bundle's rate.
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


def analyze(
    path: Path,
    *,
    bundle: Bundle,
    settings: Settings,
    options: AnalyzeOptions,
    audio: Path | None = None,
    on_source: Callable[[SourceInfo], None] | None = None,
    on_frames: Callable[[FrameResults], None] | None = None,
    on_explanation: Callable[[Explanation], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
    cancel: threading.Event | None = None,
) -> Result:
    """Localise the sound of a clip and, if that is asked for, detect the objects in it and explain why.

    Args:
        path: the clip, or a still image.
        audio: a separate sound file that takes the place of the clip's own sound.
        on_source: gets the facts about the clip as soon as they are known, before any frame.
        on_frames: gets the frames of each batch, in order, as soon as they are done. An object has the label
            there that fits it best so far, while in the result it has the same one in all frames.
        on_explanation: gets each explanation as soon as it is done, after the frames it speaks of.
        progress: called after each batch.
        cancel: set it from another thread to stop within a batch.

    Raises:
        InvalidRequest: an option is out of bounds, or the bundle offers no such task or event.
        MediaError: the clip cannot be used.
        Canceled: `cancel` was set.
        InternalError: a graph failed.
    """
    fps = sampling_fps(options, settings=settings, manifest=bundle.manifest)
    check_tasks(options, manifest=bundle.manifest)
    check_target(options, manifest=bundle.manifest)
    with _open(path, bundle.manifest, settings=settings, fps=fps, audio=audio) as stream:
        if on_source is not None:
            on_source(stream.source)
        batch_frames = settings.inference.batch_frames
        run = _Run(bundle, stream.source, options, batch_frames, on_explanation, cancel)
        parts = []
        for chunk in stream:
            for part in run.answer(chunk):
                parts.append(part)
                if on_frames is not None:
                    on_frames(part)
                if progress is not None:
                    progress(run.progress(part))
        run.finish()
        notices = stream.notices
    return Result(
        source=stream.source,
        model=bundle.info,
        sampling_fps=fps,
        thresholds=thresholds_of(bundle.manifest),
        frames=_join(parts, bundle.manifest, options),
        sound=run.envelope.level(),
        notices=_with_no_audio(notices, stream.source),
        group_by=options.group_by,
        explanations=tuple(run.explanations) if "explain" in options.tasks else None,
    )


def sampling_fps(options: AnalyzeOptions, *, settings: Settings, manifest: Manifest) -> float:
    """The rate asked for, else the one of the settings, else that of the bundle. Raises InvalidRequest."""
    if options.fps is None:
        return settings.inference.fps or manifest.sample_fps
    if not 0 < options.fps <= MAX_FPS:  # also refuses NaN
        raise InvalidRequest(f"fps must be above 0 and at most {MAX_FPS:g}", limit=MAX_FPS)
    return options.fps


def thresholds_of(manifest: Manifest) -> Thresholds:
    """From which values on the answers of a bundle count."""
    calibration, detector = manifest.calibration, manifest.detector
    return Thresholds(
        heatmap=calibration.heatmap_threshold,
        presence=calibration.presence_threshold,
        **({} if detector is None else {"sounding": detector.sounding.threshold}),
    )


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


def _open(
    path: Path, manifest: Manifest, *, settings: Settings, fps: float, audio: Path | None
) -> ClipStream:
    # At low rates the margin spans the gap between two frames, so that no sound is lost in between.
    margin_s = max(sound_margin_s(manifest.audio), 0.5 / fps) + 1 / 64
    return open_clip(
        path,
        size=manifest.input_size,
        fps=fps,
        limits=settings.limits,
        decode=settings.decode,
        chunk_frames=settings.inference.chunk_frames,
        audio_context_s=margin_s,
        audio=audio,
    )


class _Run:
    """The state of one analysis between chunks."""

    def __init__(
        self,
        bundle: Bundle,
        source: SourceInfo,
        options: AnalyzeOptions,
        batch_frames: int,
        on_explanation: Callable[[Explanation], None] | None,
        cancel: threading.Event | None,
    ) -> None:
        self.envelope = Envelope()
        self.explanations: list[Explanation] = []
        self._bundle = bundle
        self._source = source
        self._batch_frames = batch_frames
        self._on_explanation = on_explanation
        self._cancel = cancel
        self._encoder = ChunkEncoder(bundle)
        self._tracker = Tracker() if "detect" in options.tasks else None
        self._explainer = None
        if "explain" in options.tasks:
            target = BEST if options.target is None else event_index(options.target, bundle.manifest)
            self._explainer = ClipExplainer(bundle, target=target, duration_s=source.duration_s)
        self._frames_done = 0

    def answer(self, chunk: ClipChunk) -> Iterator[FrameResults]:
        """The results of a chunk, one batch after the other. Raises Canceled."""
        self._check_canceled()
        self.envelope.add(chunk.waveform, chunk.waveform_start_s)
        events, embedding = self._encoder.hear(chunk.waveform, chunk.waveform_start_s, chunk.frame_times_s)
        for start in range(0, len(chunk.frames), self._batch_frames):
            self._check_canceled()
            rows = slice(start, start + self._batch_frames)
            part, explained = self._answer(chunk, rows, events=events[rows], embedding=embedding[rows])
            yield part
            self._tell(explained)

    def finish(self) -> None:
        """Explain what the clip ended with."""
        if self._explainer is not None:
            self._tell(self._explainer.finish())

    def progress(self, part: FrameResults) -> Progress:
        self._frames_done += len(part)
        return Progress(self._frames_done, float(part.time_s[-1]), self._source.duration_s)

    def _answer(
        self, chunk: ClipChunk, rows: slice, *, events: Floats, embedding: Floats
    ) -> tuple[FrameResults, Iterator[Explanation]]:
        """The results of one batch, and the explanations that it completes, still to be worked out.

        Its tokens and class maps live no longer than these: they are hundreds of times larger than answers.
        """
        time_s, frame = chunk.frame_times_s[rows], chunk.frame_indices[rows]
        explained: Iterator[Explanation] = iter(())
        if not self._source.has_audio:
            part = unheard(self._bundle, time_s=time_s, frame=frame)
            if self._tracker is None:  # then nobody needs to look at the pictures
                return part, explained
            found = detect(self._bundle, *self._encoder.see(chunk.frames[rows]), None)
        else:
            tokens, class_map = self._encoder.see(chunk.frames[rows])
            features = Features(tokens, class_map, events, embedding)
            part = localize(self._bundle, features, time_s=time_s, frame=frame)
            if self._explainer is not None:
                explained = self._explainer.add(part, features, window=self._encoder.nearest(time_s))
            if self._tracker is None:
                return part, explained
            found = detect(self._bundle, tokens, class_map, part.heatmap)
            found = name_sounds(self._bundle, found, class_map, features.events)
        followed = map(self._tracker.follow, time_s.tolist(), found)
        return replace(part, detections=settle_labels(tuple(followed))), explained

    def _tell(self, explained: Iterator[Explanation]) -> None:
        for explanation in explained:
            self.explanations.append(explanation)
            if self._on_explanation is not None:
                self._on_explanation(explanation)

    def _check_canceled(self) -> None:
        if self._cancel is not None and self._cancel.is_set():
            raise Canceled("the analysis was canceled")


def _join(parts: list[FrameResults], manifest: Manifest, options: AnalyzeOptions) -> FrameResults:
    detecting = "detect" in options.tasks
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


def _with_no_audio(notices: tuple[Notice, ...], source: SourceInfo) -> tuple[Notice, ...]:
    if source.has_audio or any(notice.code == NO_AUDIO.code for notice in notices):
        return notices
    return (*notices, NO_AUDIO)
