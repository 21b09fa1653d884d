"""The detections of a result by object instead of by frame."""

from __future__ import annotations

from dataclasses import dataclass

from app.results.model import Detection, FrameResults


@dataclass(frozen=True, slots=True)
class Track:
    """One object through the clip.

    Attributes:
        track_id: its number, from 1.
        label: what it is, by all that was seen of it: the label of its last detection.
        rows: indices of the frames in which it was found, rising; frames in between may be missing.
        detections: the detection in each of those frames, as long as `rows`.
    """

    track_id: int
    label: str
    rows: tuple[int, ...]
    detections: tuple[Detection, ...]

    @property
    def score(self) -> float:
        """The highest score of its detections, in [0, 1]."""
        return max(detection.score for detection in self.detections)

    @property
    def sounding(self) -> float:
        """The highest probability, in [0, 1], that it sounds in one of its frames."""
        return max(detection.sounding for detection in self.detections)


def tracks_of(frames: FrameResults) -> tuple[Track, ...]:
    """The objects of all frames by rising `track_id`; none if detection did not run or found nothing."""
    found: dict[int, list[tuple[int, Detection]]] = {}
    for row, detections in enumerate(frames.detections or ()):
        for detection in detections:
            found.setdefault(detection.track_id, []).append((row, detection))
    return tuple(
        Track(
            track_id,
            found[track_id][-1][1].label,
            tuple(row for row, _ in found[track_id]),
            tuple(detection for _, detection in found[track_id]),
        )
        for track_id in sorted(found)
    )
