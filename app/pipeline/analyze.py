"""One clip from its file to its result, chunk by chunk, in memory that does not grow with its length."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from app.errors import Canceled, EarsightError
from app.inference.bundle import Bundle
from app.inference.manifest import Manifest
from app.media.clip import ClipChunk, SourceInfo
from app.media.stream import ClipStream, open_clip
from app.pipeline.encode import sound_margin_s
from app.pipeline.follow import Follower
from app.pipeline.looks import Listener, Look, Looker, Turn
from app.pipeline.options import AnalyzeOptions, Progress, check_target, check_tasks, sampling_fps
from app.pipeline.parts import Crew, looks_in_parts
from app.results.model import Explanation, FrameResults, Notice, Result, Thresholds
from app.settings import Settings

logger = logging.getLogger(__name__)

T = TypeVar("T")

NO_AUDIO = Notice(
    "no_audio",
    "There is no sound in this clip, so there is nothing to localise: every heatmap and presence is 0, and no"
    " object sounds."
    " Pass the sound as a separate audio file.",
)


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
    on_decoded: Callable[[float], None] | None = None,
    cancel: threading.Event | None = None,
    turn: Turn | None = None,
    crew: Crew | None = None,
) -> Result:
    """Localise the sound of a clip and, if that is asked for, detect the objects in it and explain why.

    Args:
        path: the clip, or a still image.
        audio: a separate sound file that takes the place of the clip's own sound.
        on_source: gets the facts about the clip as soon as they are known, before any frame. What it raises,
            such as LimitExceeded for a clip that is too long here, ends the analysis.
        on_frames: gets the frames of each batch, in order, as soon as they are done. An object has the label
            there that fits it best so far, while in the result it has the same one in all frames.
        on_explanation: gets each explanation as soon as it is done, after the frames it speaks of.
        progress: called after each batch.
        on_decoded: gets the seconds that each chunk of the decoded clip was waited for.
        cancel: set it from another thread to stop at once, or after the batch or explanation that runs.
        turn: holds the graphs while it is entered, as `Turns.turn` does; entered for the sound of each
            chunk, for each batch and for each explanation, but not while decoding or a callback runs.
        crew: looks at the parts of clips that are longer than one part; the result is the same.

    Raises:
        InvalidRequest: an option is out of bounds, or the bundle offers no such task or event.
        MediaError: the clip cannot be used.
        Canceled: `cancel` was set.
        InternalError: a graph failed, or the decode child.
    """
    fps = sampling_fps(options, settings=settings, manifest=bundle.manifest)
    check_tasks(options, manifest=bundle.manifest)
    check_target(options, manifest=bundle.manifest)
    clip = _Clip(
        path=path,
        audio=audio,
        bundle=bundle,
        settings=settings,
        options=options,
        fps=fps,
        on_frames=_Once(on_frames),
        on_explanation=_Once(on_explanation),
        progress=progress,
        cancel=cancel,
        turn=_stoppable(turn or nullcontext, cancel),
    )
    with clip.open() as stream:
        if on_source is not None:
            on_source(stream.source)
        if crew is None or stream.source.kind == "image" or stream.source.duration_s <= crew.part_s:
            return clip.analyze(stream, on_decoded)
    try:
        with clip.open(outline=True) as stream:
            return clip.analyze_in_parts(stream, crew)
    except Canceled:
        raise
    except EarsightError as error:  # such as damage, of which the whole clip has more to say
        logger.info("parts_given_up", extra={"code": error.code, "detail": error.detail})
    with clip.open() as stream:
        return clip.analyze(stream, on_decoded)


def thresholds_of(manifest: Manifest) -> Thresholds:
    """From which values on the answers of a bundle count."""
    calibration, detector = manifest.calibration, manifest.detector
    return Thresholds(
        heatmap=calibration.heatmap_threshold,
        presence=calibration.presence_threshold,
        **({} if detector is None else {"sounding": detector.sounding.threshold}),
    )


@dataclass(frozen=True, slots=True)
class _Clip:
    """What `analyze` was given, checked."""

    path: Path
    audio: Path | None
    bundle: Bundle
    settings: Settings
    options: AnalyzeOptions
    fps: float
    on_frames: _Once[FrameResults]
    on_explanation: _Once[Explanation]
    progress: Callable[[Progress], None] | None
    cancel: threading.Event | None
    turn: Turn

    def open(self, *, outline: bool = False) -> ClipStream:
        manifest, settings = self.bundle.manifest, self.settings
        # At low rates the margin spans the gap between two frames, so that no sound is lost in between.
        margin_s = max(sound_margin_s(manifest.audio), 0.5 / self.fps) + 1 / 64
        return open_clip(
            self.path,
            size=manifest.input_size,
            fps=self.fps,
            limits=settings.limits,
            decode=settings.decode,
            chunk_frames=settings.inference.chunk_frames,
            audio_context_s=margin_s,
            audio=self.audio,
            outline=outline,
            cancel=self.cancel,
        )

    def analyze(self, stream: ClipStream, on_decoded: Callable[[float], None] | None) -> Result:
        """Look at the whole clip here."""
        listener = Listener(self.bundle)
        return self._result(stream, listener, self._looks(_awaited(stream, on_decoded), stream, listener))

    def analyze_in_parts(self, stream: ClipStream, crew: Crew) -> Result:
        """Have others look at a clip of which this is the outline."""
        listener = Listener(self.bundle)
        looks = looks_in_parts(stream, listener, crew, options=self.options, fps=self.fps, turn=self.turn)
        return self._result(stream, listener, looks)

    def _looks(self, chunks: Iterator[ClipChunk], stream: ClipStream, listener: Listener) -> Iterator[Look]:
        looker = Looker(self.bundle, tasks=self.options.tasks, has_audio=stream.source.has_audio)
        for chunk in chunks:
            with self.turn():
                sound = listener.hear(chunk)
            yield from looker.looks(
                chunk.frames, sound, batch=self.settings.inference.batch_frames, turn=self.turn
            )

    def _result(self, stream: ClipStream, listener: Listener, looks: Iterator[Look]) -> Result:
        self.on_frames.begin()
        self.on_explanation.begin()
        follower = Follower(
            self.bundle,
            stream.source,
            self.options,
            turn=self.turn,
            on_frames=self.on_frames.tell,
            on_explanation=self.on_explanation.tell,
            on_progress=self.progress,
        )
        for look in looks:
            follower.follow(look)
        frames = follower.finish()
        return Result(
            source=stream.source,
            model=self.bundle.info,
            sampling_fps=self.fps,
            thresholds=thresholds_of(self.bundle.manifest),
            frames=frames,
            sound=listener.envelope.level(),
            notices=_with_no_audio(stream.notices, stream.source),
            group_by=self.options.group_by,
            explanations=tuple(follower.explanations) if "explain" in self.options.tasks else None,
        )


class _Once(Generic[T]):
    """Tells each of a series once, also if it begins anew and brings the same again."""

    def __init__(self, tell: Callable[[T], None] | None) -> None:
        self._tell = tell
        self._n_told = self._n_come = 0

    def begin(self) -> None:
        self._n_come = 0

    def tell(self, each: T) -> None:
        self._n_come += 1
        if self._n_come > self._n_told:
            self._n_told = self._n_come
            if self._tell is not None:
                self._tell(each)


def _awaited(stream: ClipStream, on_decoded: Callable[[float], None] | None) -> Iterator[ClipChunk]:
    """The chunks of the stream; `on_decoded` is told how long each was waited for."""
    chunks = iter(stream)
    while True:
        begin_s = time.perf_counter()
        chunk = next(chunks, None)
        if on_decoded is not None:
            on_decoded(time.perf_counter() - begin_s)
        if chunk is None:
            return
        yield chunk


def _stoppable(turn: Turn, cancel: threading.Event | None) -> Turn:
    """`turn`, which nobody gets any more once `cancel` is set: then it raises Canceled."""

    @contextmanager
    def stoppable() -> Iterator[None]:
        with turn():
            if cancel is not None and cancel.is_set():
                raise Canceled("the analysis was canceled")
            yield

    return stoppable


def _with_no_audio(notices: tuple[Notice, ...], source: SourceInfo) -> tuple[Notice, ...]:
    if source.has_audio or any(notice.code == NO_AUDIO.code for notice in notices):
        return notices
    return (*notices, NO_AUDIO)
