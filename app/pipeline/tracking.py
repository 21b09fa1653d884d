"""Detections to objects that keep their number from frame to frame.

Tracking by overlap alone, without a look at the pixels: E. Bochinski, V. Eiselein and T. Sikora, "High-speed
tracking-by-detection without using image information", AVSS 2017. At a few frames per second objects move
far from one frame to the next, so a box is first moved on as its object was moving: the idea of SORT,
A. Bewley et al., "Simple online and realtime tracking", ICIP 2016, whose code also gives the least overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np
import numpy.typing as npt

from app.pipeline.boxes import iou
from app.results.model import Detection

MIN_IOU = 0.3
MAX_GAP_S = 1.0

_SMOOTHING_S = 0.5  # about over that time the velocity is averaged

Boxes = npt.NDArray[np.float64]
FrameDetections = tuple[Detection, ...]


@dataclass(slots=True)
class _Track:
    """An object that may be seen again.

    Attributes:
        box: (4,) where it was last seen.
        velocity: (2,) of its centre, in frame widths and heights per second.
        seen_s: when it was last seen.
        votes: the sum of the scores with which it was called by each label.
    """

    number: int
    box: Boxes
    seen_s: float
    velocity: Boxes = field(default_factory=lambda: np.zeros(2))
    votes: dict[str, float] = field(default_factory=dict)

    def box_at(self, time_s: float) -> Boxes:
        """Where it is expected, (4,), if it goes on as it was moving."""
        shift = self.velocity * (time_s - self.seen_s)
        return self.box + np.tile(shift, 2)

    def see(self, detection: Detection, time_s: float) -> Detection:
        """Note where it is now, and give the detection its number and the label with the most votes."""
        box, elapsed_s = np.array(detection.box), time_s - self.seen_s
        if elapsed_s > 0:
            velocity = (_centre(box) - _centre(self.box)) / elapsed_s
            self.velocity += min(1.0, elapsed_s / _SMOOTHING_S) * (velocity - self.velocity)
        self.box, self.seen_s = box, time_s
        self.votes[detection.label] = self.votes.get(detection.label, 0.0) + detection.score
        label = max(self.votes, key=lambda name: self.votes[name])
        return replace(detection, label=label, track_id=self.number)


class Tracker:
    """Numbers the objects of one clip from 1, in order of their appearance.

    A detection belongs to the object whose expected box it overlaps most, by an IoU of at least `MIN_IOU`;
    pairs are formed greedily, the largest overlap first. An object that was not seen for `MAX_GAP_S` is
    given up, but not before the next frame was compared with it, however far away that is.
    """

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._numbers = count(1)

    def follow(self, time_s: float, detections: Sequence[Detection]) -> FrameDetections:
        """Number the detections of the next frame, in the order given; a new object takes the next number.

        The label becomes that with the largest sum of scores over all that was seen of the object so far.
        """
        matched = self._match(time_s, detections)
        numbered = []
        for index, detection in enumerate(detections):
            track = matched.get(index)
            if track is None:
                track = _Track(next(self._numbers), np.array(detection.box), time_s)
                self._tracks.append(track)
            numbered.append(track.see(detection, time_s))
        self._tracks = [track for track in self._tracks if time_s - track.seen_s < MAX_GAP_S]
        return tuple(numbered)

    def _match(self, time_s: float, detections: Sequence[Detection]) -> dict[int, _Track]:
        """The known object of each detection that has one, by the index of the detection."""
        if not detections or not self._tracks:
            return {}
        overlap = iou(
            np.array([track.box_at(time_s) for track in self._tracks]),
            np.array([detection.box for detection in detections]),
        )
        matched: dict[int, _Track] = {}
        taken: set[int] = set()
        for pair in np.argsort(-overlap, axis=None, kind="stable"):
            row, column = divmod(int(pair), len(detections))
            if overlap[row, column] < MIN_IOU:
                break
            if row not in taken and column not in matched:
                taken.add(row)
                matched[column] = self._tracks[row]
        return matched


def settle_labels(frames: Sequence[FrameDetections]) -> tuple[FrameDetections, ...]:
    """Give each object in all these consecutive frames the label it has in the last one that shows it."""
    last = {detection.track_id: detection.label for detections in frames for detection in detections}
    return tuple(
        tuple(replace(detection, label=last[detection.track_id]) for detection in detections)
        for detections in frames
    )


def _centre(box: Boxes) -> Boxes:
    return (box[:2] + box[2:]) / 2
