"""The result of an analysis, as arrays. One writer per format turns it into bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.media.clip import SourceInfo

SCHEMA = "earsight.result/1"

GroupBy = Literal["frame", "track"]
"""Where the documents put detections: into the frames that show them, or into the tracks of the objects."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The bundle that produced a result; `provider` is the ONNX Runtime execution provider really used."""

    name: str
    version: str
    sha256: str
    provider: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the reader of a result must know: a stable code and one sentence."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Heard:
    """A sound event heard around a frame: AudioSet name and score in [0, 1]."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Detection:
    """An object in a frame, found by its looks alone, and whether it makes the sound heard there.

    Attributes:
        box: x0, y0, x1, y1 as fractions of the displayed frame, 0 <= x0 < x1 <= 1 and likewise y.
        label: name of its kind, the same in all frames of a track that were answered together.
        score: confidence in [0, 1] that there is an object of that extent.
        sounding: probability in [0, 1] that it is a source of the sound heard at that time.
        track_id: the same number for the same object in all frames, from 1.
        sound: the event that it makes, and the share in [0, 1] of that event in all that speaks for any; None
            if it does not sound, others do as well, or the bundle has no names for it.
    """

    box: tuple[float, float, float, float]
    label: str
    score: float
    sounding: float
    track_id: int
    sound: Heard | None = None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which values heat counts as marked, a source as present, and a detection as sounding."""

    heatmap: float = 0.5
    presence: float = 0.5
    sounding: float = 0.5


@dataclass(frozen=True, slots=True)
class FrameResults:
    """Consecutive sampled frames. Also the unit in which a running analysis reports its progress.

    Attributes:
        time_s: (T,) float64, seconds of the displayed timeline.
        frame: (T,) int64, index of the frame in the source.
        heatmap: (T, G, G) float32 in [0, 1], calibrated; row 0 is the top of the displayed frame.
        presence: (T,) float32 in [0, 1], probability that what is heard has a visible source.
        heard: for each frame the events heard, by falling score; empty in silence.
        detections: for each frame the objects found, by falling score; None if `detect` was not asked for.
    """

    time_s: npt.NDArray[np.float64]
    frame: npt.NDArray[np.int64]
    heatmap: npt.NDArray[np.float32]
    presence: npt.NDArray[np.float32]
    heard: tuple[tuple[Heard, ...], ...]
    detections: tuple[tuple[Detection, ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.time_s)


@dataclass(frozen=True, slots=True)
class Areas:
    """Areas below the curves of a prediction in [0, 1], each in [0, 1].

    Attributes:
        deletion, insertion: in the order of the weights.
        random_deletion, random_insertion: in a random one, mean of several.
        least_deletion, least_insertion: with the least weight first.
    """

    deletion: float
    insertion: float
    random_deletion: float
    random_insertion: float
    least_deletion: float
    least_insertion: float

    @property
    def faithful(self) -> bool:
        """Whether the weights beat a random order, both ways."""
        return self.deletion < self.random_deletion and self.insertion > self.random_insertion


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """Whether the weights of an explanation lie on what the probability of its event hangs on.

    Attributes:
        picture: areas with cells hidden in the order of `where`.
        sound: areas with steps hidden in the order of `when_audio`.
        without_picture, without_sound: the probability with all of it hidden.
    """

    picture: Areas
    sound: Areas
    without_picture: float
    without_sound: float


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """What would be said if another sound were heard to the same pictures.

    Attributes:
        sound: name of that sound.
        event: the event with the highest score then.
        score: of the event of the explanation then, in [0, 1].
        moved: share in [0, 1] of the weight in `where` that goes elsewhere.
    """

    sound: str
    event: Heard
    score: float
    moved: float


NoExplanation = Literal["off_screen", "unsure", "no_moment"]
"""Why there is none: nothing in sight is a source, no event is probable enough, or no moment stands out; then
`where` is explained nevertheless."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Which audio-visual event a stretch of a clip shows, and what speaks for it.

    Attributes:
        start_s, end_s: of the stretch, on the displayed timeline.
        time_s: (S,) float64, times of the sampled frames that were looked at, its steps.
        event: what it is about: the event with the highest score or the one that was asked for. Its score is
            the probability that it is heard while its source is in sight.
        runners_up: the next most probable events, by falling score.
        when_audio, when_visual: (S,) float32, weights of the steps in sound and picture, each with the sum 1.
        where: (S, G, G) float32, weights of all cells, with the sum 1.
        sound_share: share in [0, 1] of the sound in what speaks for the event, the rest is the picture's.
        counterfactual: None if no other sound is different enough.
        reason: why this does not count as an explanation; None if it does.
    """

    start_s: float
    end_s: float
    time_s: npt.NDArray[np.float64]
    event: Heard
    runners_up: tuple[Heard, ...]
    when_audio: npt.NDArray[np.float32]
    when_visual: npt.NDArray[np.float32]
    where: npt.NDArray[np.float32]
    sound_share: float
    faithfulness: Faithfulness
    counterfactual: Counterfactual | None
    reason: NoExplanation | None

    @property
    def counts(self) -> bool:
        """Whether the event counts, be it that no moment of it stands out."""
        return self.reason in (None, "no_moment")


@dataclass(frozen=True, slots=True)
class SoundLevel:
    """The envelope of the sound track, for drawing.

    `peak[i]` is the largest absolute sample in `[start_s + i / rate_hz, start_s + (i + 1) / rate_hz)`.
    """

    start_s: float
    rate_hz: float
    peak: npt.NDArray[np.float32]  # (E,) in [0, 1]


@dataclass(frozen=True, slots=True)
class Result:
    """All that is known about one clip.

    Attributes:
        sampling_fps: the rate that was asked for.
        group_by: where the JSON and NDJSON documents shall put the detections.
        explanations: one for each stretch of some seconds that has sound, in the order of time; None if
            `explain` was not asked for.
    """

    source: SourceInfo
    model: ModelInfo
    sampling_fps: float
    thresholds: Thresholds
    frames: FrameResults
    sound: SoundLevel
    notices: tuple[Notice, ...] = ()
    group_by: GroupBy = "frame"
    explanations: tuple[Explanation, ...] | None = None
