"""Examples to cases: each is decoded and encoded once, the way the service does it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from app.errors import EarsightError
from app.inference.bundle import Bundle
from app.pipeline.encode import encode_audio, encode_visual
from training.data.examples import Example
from training.evaluation.cases import Case, Encoded, LeftOut, Moment, choose_moment
from training.evaluation.progress import Watch, unwatched
from training.evaluation.shelf import Shelf
from training.evaluation.sounds import Floats, Sounds, join

READ_FPS = 10.0
"""Frames a second asked of clips on disk: the frame that is taken lies within 0.05 s of the wanted moment."""

_READERS = 2  # examples decoded at a time
_AHEAD = 4  # examples that may be decoded before they are needed; each keeps one frame and its sound
_BATCH = 4  # frames encoded at once where the figures do not hang on single ones


def gather(
    examples: Sequence[Example], bundle: Bundle, *, fps: float = READ_FPS, watch: Watch = unwatched
) -> Encoded:
    """Decode and encode one frame of each example, and the sound around it.

    Args:
        examples: whatever their footage comes from.
        bundle: encodes.
        fps: frames a second asked of each example, among which its frame is chosen.
        watch: told of the progress.

    Returns:
        The cases in the order of the examples. Those that cannot be decoded are left out, with the reason.

    Raises:
        ValueError: if none of the examples can be used.
        NoRoom: see `Shelf`.
        InternalError: a graph of the bundle failed.
    """
    shelf, cases, sounds, left_out = Shelf(len(examples)), [], [], []
    size = bundle.manifest.input_size
    for done, (example, moment) in enumerate(_moments(examples, size=size, fps=fps), start=1):
        watch("encoding", done, len(examples), example.facts.id)
        if isinstance(moment, LeftOut):
            left_out.append(moment)
            continue
        # One by one: an int8 encoder scales by the batch, so a frame's neighbours would change its tokens.
        tokens, class_map = encode_visual(bundle, moment.frame[None], 1)
        shelf.add(moment.frame, tokens[0], class_map[0], moment.truth)
        sounds.append(_hear(bundle, moment.waveform, moment.waveform_start_s, moment.time_s))
        cases.append(Case.of(example.facts, role=moment.role, time_s=moment.time_s))
    if not cases:
        first = f", for example {left_out[0].id}: {left_out[0].reason}" if left_out else ""
        raise ValueError(f"none of {len(examples)} examples can be used{first}")
    return Encoded(tuple(cases), shelf.pictures(), join(sounds), tuple(left_out))


def encode_frames(bundle: Bundle) -> Callable[[npt.NDArray[np.uint8]], tuple[Floats, Floats]]:
    """The bundle as a function of frames (N, S, S, 3) to tokens (N, G, G, Dv) and class maps (N, H, W, C)."""
    return lambda frames: encode_visual(bundle, frames, _BATCH)


def hear_middle(bundle: Bundle, waveforms: Sequence[Floats], *, rate_hz: int) -> Sounds:
    """Encode K waveforms (float32 mono), each as a frame at its middle hears it."""
    return join(_hear(bundle, waveform, 0.0, len(waveform) / (2 * rate_hz)) for waveform in waveforms)


def _hear(bundle: Bundle, waveform: Floats, start_s: float, time_s: float) -> Sounds:
    return Sounds(*encode_audio(bundle, waveform, start_s, np.array([time_s])))


def _moments(
    examples: Sequence[Example], *, size: int, fps: float
) -> Iterator[tuple[Example, Moment | LeftOut]]:
    """The moments of all examples in their order, decoded a few ahead so that memory stays small."""
    waiting: deque[tuple[Example, Future[Moment | LeftOut]]] = deque()
    remaining = iter(examples)
    with ThreadPoolExecutor(_READERS) as readers:
        try:
            for example in remaining:
                waiting.append((example, readers.submit(_moment, example, size=size, fps=fps)))
                if len(waiting) > _AHEAD:
                    first, moment = waiting.popleft()
                    yield first, moment.result()
            while waiting:
                first, moment = waiting.popleft()
                yield first, moment.result()
        finally:
            for _, moment in waiting:
                moment.cancel()


def _moment(example: Example, *, size: int, fps: float) -> Moment | LeftOut:
    try:
        footage = example.footage(size=size, fps=fps)
        wanted_s = getattr(example, "time_s", None)  # clips on disk may name a moment and yet have no truth
        return choose_moment(footage, sounding=example.facts.sounding, wanted_s=wanted_s)
    except (EarsightError, OSError, ValueError) as error:
        return LeftOut(example.facts.id, str(error) or repr(error))
