"""What training and evaluation work on: examples, wherever they come from, and the truth about them.

A clip on disk (`training.data.samples`) and a composed scene (`training.data.composites`) are both examples:
they have a name, labels and a split, and give footage when asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Split = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True)
class Visible:
    """A thing in sight, whether it sounds or not, in the T frames of a footage.

    Attributes:
        label: its kind; empty if unknown.
        boxes: (T, 4) float32 normalised xyxy; NaN in frames in which it is not in sight or was not marked.
        sounding: (T,) bool, whether it is a source of what is heard at that time.
    """

    label: str
    boxes: npt.NDArray[np.float32]
    sounding: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Footage:
    """Frames and sound as the encoders are fed them, and the truth where it is known.

    Attributes:
        frames: (T, S, S, 3) uint8 RGB, the whole displayed frame squashed to a square.
        times_s: (T,) float64, rising, on the displayed timeline.
        waveform: (N,) float32 mono in [-1, 1] at 16 kHz; empty without sound.
        waveform_start_s: time of `waveform[0]`.
        truth: (T, 224, 224) float32 in [0, 1]: which pixels belong to a visible source of the sound heard at
            that time (between 0 and 1 where annotators disagree). All zero where nothing in sight sounds.
        judged: (T,) bool, the frames whose truth is known; `truth` is zero and means nothing at the others.
        things: what is in sight, one by one, as far as it is known.
    """

    frames: npt.NDArray[np.uint8]
    times_s: npt.NDArray[np.float64]
    waveform: npt.NDArray[np.float32]
    waveform_start_s: float
    truth: npt.NDArray[np.float32]
    judged: npt.NDArray[np.bool_]
    things: tuple[Visible, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an example without decoding it.

    Attributes:
        id: unique within its data set, and a safe file name.
        labels: names of what is heard; empty if unknown.
        group: examples of one group never lie in different splits: one video, one object, one recording.
        split: which part of the data it belongs to.
        scene: examples with the same scene show one picture, each with another of its sources sounding;
            empty for a scene of its own.
        sounding: whether a source of the sound is in sight; false for a negative pair.
    """

    id: str
    labels: tuple[str, ...] = ()
    group: str = ""
    split: Split = "train"
    scene: str = ""
    sounding: bool = True
    extra: dict[str, str] = field(default_factory=dict)


class Example(Protocol):
    """One thing to train on or to be judged by."""

    @property
    def facts(self) -> Facts: ...

    def footage(self, *, size: int, fps: float) -> Footage:
        """Decode or render it.

        Args:
            size: side S of the square frames in pixels.
            fps: frames per second to take.

        Raises:
            EarsightError: it cannot be decoded; the message names the file.
        """
        ...
