"""Chunks to looks: what each batch of frames shows, before anything is made of the order of time.

Nothing here depends on what other batches show, but for a picture that stands still and sound that reaches
into the next chunk. So looks at different parts of a clip may be made in different places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from app.inference.bundle import Bundle
from app.inference.manifest import Task
from app.media.clip import ClipChunk
from app.pipeline.detect import detect
from app.pipeline.encode import ChunkEncoder, Picture
from app.pipeline.envelope import Envelope
from app.pipeline.explain import Step
from app.pipeline.features import Features
from app.pipeline.localize import localize, unheard
from app.pipeline.naming import name_sounds
from app.pipeline.stretches import steps_of
from app.results.model import Explanation, FrameResults

Floats = npt.NDArray[np.float32]
Turn = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class FramesSound:
    """What is heard around frames, one after the other.

    Attributes:
        time_s, frame: (N,) time and index of each.
        events, audio: (N, E) and (N, Da), as in `Features`.
        window: (N, Da), embedding of the window of sound nearest to each, 0 without sound.
    """

    time_s: npt.NDArray[np.float64]
    frame: npt.NDArray[np.int64]
    events: Floats
    audio: Floats
    window: Floats

    def __len__(self) -> int:
        return len(self.time_s)

    def rows(self, rows: slice) -> FramesSound:
        """That around some of the frames."""
        return FramesSound(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Look:
    """What a batch of frames shows.

    Attributes:
        frames: the answers; objects are `UNTRACKED`.
        moments: for whoever explains, in the order of time: what may stand for its slot, and stretches that
            were explained already.
    """

    frames: FrameResults
    moments: tuple[Step | Explanation, ...] = ()


class Listener:
    """Hears the chunks of one clip in their order.

    Attributes:
        envelope: of the sound so far.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.envelope = Envelope()
        self._encoder = ChunkEncoder(bundle)

    def hear(self, chunk: ClipChunk) -> FramesSound:
        """What is heard around the frames of the next chunk. Raises InternalError if the graph fails."""
        self.envelope.add(chunk.waveform, chunk.waveform_start_s)
        times_s = chunk.frame_times_s
        events, audio = self._encoder.hear(chunk.waveform, chunk.waveform_start_s, times_s)
        return FramesSound(times_s, chunk.frame_indices, events, audio, self._encoder.nearest(times_s))


class Looker:
    """Looks at the frames of one clip, or of a part of it, in their order."""

    def __init__(
        self, bundle: Bundle, *, tasks: tuple[Task, ...], has_audio: bool, last: Picture | None = None
    ) -> None:
        """`last` is the picture of the frame before, where it was encoded."""
        self._bundle = bundle
        self._detects = "detect" in tasks
        self._explains = "explain" in tasks
        self._has_audio = has_audio
        self._encoder = ChunkEncoder(bundle)
        self._encoder.last = last

    @property
    def last(self) -> Picture | None:
        """The last picture that was looked at."""
        return self._encoder.last

    def looks(
        self, frames: npt.NDArray[np.uint8], sound: FramesSound, *, batch: int, turn: Turn
    ) -> Iterator[Look]:
        """Look at the frames (N, S, S, 3) of a chunk, `batch` at a time; `turn` is held for each.

        Raises what `turn` raises, and InternalError if a graph fails.
        """
        for start in range(0, len(frames), batch):
            rows = slice(start, start + batch)
            with turn():
                look = self._look(frames[rows], sound.rows(rows))
            yield look

    def _look(self, frames: npt.NDArray[np.uint8], sound: FramesSound) -> Look:
        if not self._has_audio:
            answers = unheard(self._bundle, time_s=sound.time_s, frame=sound.frame)
            if self._detects:  # else nobody needs to look at the pictures
                found = detect(self._bundle, *self._encoder.see(frames), None)
                answers = replace(answers, detections=found)
            return Look(answers)
        tokens, class_map = self._encoder.see(frames)
        features = Features(tokens, class_map, sound.events, sound.audio)
        answers = localize(self._bundle, features, time_s=sound.time_s, frame=sound.frame)
        moments: tuple[Step, ...] = ()
        if self._explains:
            moments = steps_of(answers, features, window=sound.window, explainer=self._bundle.explainer)
        if self._detects:
            found = detect(self._bundle, tokens, class_map, answers.heatmap)
            found = name_sounds(self._bundle, found, class_map, sound.events)
            answers = replace(answers, detections=found)
        return Look(answers, moments)
