"""A long clip in parts, looked at by several at a time, that together come to the same bytes as the whole.

One hears the whole clip and hands out its frames, chunk by chunk as they are taken in one go. Each part is
decoded by itself, from the last key frame before it, and its batches are the same as ever: what a graph
answers may hang on what else is in the batch. Objects are followed and stretches explained where the parts
come together again, except for stretches that lie within one part.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from app.errors import InternalError
from app.inference.bundle import Bundle
from app.media.clip import SourceInfo
from app.media.parts import open_part
from app.media.protocol import Part
from app.media.source import Frame
from app.media.stream import ClipStream
from app.pipeline.encode import Picture
from app.pipeline.explain import Step
from app.pipeline.follow import explainer_of
from app.pipeline.looks import FramesSound, Listener, Look, Looker, Turn
from app.pipeline.options import AnalyzeOptions
from app.pipeline.stretches import ClipExplainer
from app.results.model import Explanation
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class PartOrder:
    """What is to be looked at.

    Attributes:
        source: facts about the whole clip.
        fps: of the frames that are taken.
        part: its frames, and before them, unless it is the first part, the last one of the part before.
        sounds: around its frames, chunk by chunk.
        before: that last frame, encoded; None leaves it to the part before unless the picture stands still.
    """

    source: SourceInfo
    options: AnalyzeOptions
    fps: float
    part: Part
    sounds: tuple[FramesSound, ...]
    before: Picture | None = None

    @property
    def is_first(self) -> bool:
        return bool(self.part.first == self.sounds[0].frame[0])


@dataclass(frozen=True, slots=True)
class PartAnswer:
    """Attributes:
    looks: at the batches of the part.
    before_sha256, last_sha256: of the last frame of the part before, decoded anew, and of its own last one.
    last: its last frame, encoded.
    """

    looks: tuple[Look, ...]
    before_sha256: str
    last_sha256: str
    last: Picture | None


class Crew(Protocol):
    """Looks at parts of one clip, in other places.

    Attributes:
        part_s: length of a part in seconds.
        ahead: how many parts may be under way at a time.
    """

    part_s: float
    ahead: int

    def begin(self, order: PartOrder) -> int:
        """Have a part looked at; returns a number for `result`."""

    def result(self, number: int) -> PartAnswer | None:
        """What `look_at_part` returned, and raised, there. Raises Canceled if the work was stopped here."""


def look_at_part(
    path: Path,
    order: PartOrder,
    *,
    bundle: Bundle,
    settings: Settings,
    turn: Turn,
    cancel: threading.Event | None = None,
) -> PartAnswer | None:
    """Look at a part of the clip at `path`.

    Returns:
        None if the picture stands still where the part begins, and what it was encoded to was not given.

    Raises:
        MediaError: it cannot be decoded.
        Canceled: `cancel` was set.
        InternalError: its frames are not those of the outline, or a graph or the decode child failed.
    """
    looker = Looker(bundle, tasks=order.options.tasks, has_audio=order.source.has_audio, last=order.before)
    explainer = None
    if "explain" in order.options.tasks:
        explainer = _InnerExplainer(explainer_of(bundle, order.source, order.options, turn), order.sounds)
    looks: list[Look] = []
    before = last = None
    with open_part(
        path,
        order.part,
        size=bundle.manifest.input_size,
        fps=order.fps,
        limits=settings.limits,
        decode=settings.decode,
        cancel=cancel,
    ) as frames:
        if not order.is_first:
            before = _next(frames).image
        for sound in order.sounds:
            images = _images(frames, sound)
            if (
                last is None
                and order.before is None
                and before is not None
                and np.array_equal(before, images[0])
            ):
                return None
            last = images[-1]
            for look in looker.looks(images, sound, batch=settings.inference.batch_frames, turn=turn):
                looks.append(look if explainer is None else explainer.explain(look))
    return PartAnswer(tuple(looks), _sha256(before), _sha256(last), looker.last)


def looks_in_parts(
    stream: ClipStream, listener: Listener, crew: Crew, *, options: AnalyzeOptions, fps: float, turn: Turn
) -> Iterator[Look]:
    """The looks at a clip, by its outline, in the order of time.

    Raises what `Crew.result` raises, what `turn` raises, and InternalError if the parts do not fit together.
    """
    under_way: deque[tuple[PartOrder, int]] = deque()
    joint = _Joint(crew)
    for order in _orders(stream, listener, part_s=crew.part_s, options=options, fps=fps, turn=turn):
        under_way.append((order, crew.begin(order)))
        if len(under_way) >= crew.ahead:
            yield from joint.join(*under_way.popleft())
    while under_way:
        yield from joint.join(*under_way.popleft())


class _Joint:
    """Where the answers of the parts are put together."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._previous: PartAnswer | None = None

    def join(self, order: PartOrder, number: int) -> tuple[Look, ...]:
        previous, answer = self._previous, self._crew.result(number)
        if answer is None and previous is not None:
            answer = self._crew.result(self._crew.begin(replace(order, before=previous.last)))
        if answer is None:
            raise InternalError("a part of the clip was not looked at")
        if previous is not None and answer.before_sha256 != previous.last_sha256:
            raise InternalError("a frame looks different when it is decoded from another key frame")
        self._previous = answer
        return answer.looks


class _InnerExplainer:
    """Explains the stretches of a part, but for those that may go on beyond it."""

    def __init__(self, explainer: ClipExplainer, sounds: tuple[FramesSound, ...]) -> None:
        self._explainer = explainer
        ends_s = float(sounds[0].time_s[0]), float(sounds[-1].time_s[-1])
        self._open = {explainer.stretch_of(end_s) for end_s in ends_s}

    def explain(self, look: Look) -> Look:
        return replace(look, moments=tuple(self._moments(look)))

    def _moments(self, look: Look) -> Iterator[Step | Explanation]:
        for moment in look.moments:
            if isinstance(moment, Step) and self._explainer.stretch_of(moment.time_s) not in self._open:
                yield from self._explainer.add(moment)
            else:
                yield from self._explainer.finish()
                yield moment


def _orders(
    stream: ClipStream, listener: Listener, *, part_s: float, options: AnalyzeOptions, fps: float, turn: Turn
) -> Iterator[PartOrder]:
    """Cut a clip between two chunks, at the first cut after `part_s` past which there is a new key frame."""
    starts = stream.starts
    sounds: list[FramesSound] = []
    before: int | None = None  # index of the last frame of the part before

    def order(last: int | None) -> PartOrder:
        first = int(sounds[0].frame[0]) if before is None else before
        part = Part(starts[first], first, last)
        return PartOrder(stream.source, options, fps, part, tuple(sounds))

    for chunk in stream:
        if sounds:
            begun, last = int(sounds[0].frame[0]), int(sounds[-1].frame[-1])
            long_enough = chunk.frame_times_s[0] - sounds[0].time_s[0] >= part_s
            if long_enough and starts[last].index > starts[begun].index:
                yield order(last)
                before, sounds = last, []
        with turn():
            sounds.append(listener.hear(chunk))
    if sounds:
        yield order(None)


def _images(frames: Iterator[Frame], sound: FramesSound) -> npt.NDArray[np.uint8]:
    """The pictures (N, S, S, 3) of a chunk, which must be those that the outline has."""
    found = [_next(frames) for _ in range(len(sound))]
    if [frame.index for frame in found] != sound.frame.tolist() or (
        [frame.time_s for frame in found] != sound.time_s.tolist()
    ):
        raise InternalError("the frames of the clip are not those that its packets tell of")
    return np.stack([frame.image for frame in found])


def _next(frames: Iterator[Frame]) -> Frame:
    frame = next(frames, None)
    if frame is None:
        raise InternalError("the clip has fewer frames than its packets tell of")
    return frame


def _sha256(image: npt.NDArray[np.uint8] | None) -> str:
    return "" if image is None else hashlib.sha256(image.tobytes()).hexdigest()
