"""The detections of a result by object instead of by frame."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from app.results.model import Detection, FrameResults, Heard


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

    @property
    def sound(self) -> Heard | None:
        """The event that it makes by most of its detections, weighed by their scores, with the highest score
        of it; None if none of them says one."""
        heard = [detection.sound for detection in self.detections if detection.sound is not None]
        votes: defaultdict[str, float] = defaultdict(float)
        for sound in heard:
            votes[sound.label] += sound.score
        if not votes:
            return None
        label = max(votes, key=lambda name: votes[name])
        return Heard(label, max(sound.score for sound in heard if sound.label == label))

    @property
    def called(self) -> str:
        """Its label and, unless that says the same, the first name of the sound that it makes."""
        name = self.sound.label.partition(",")[0] if self.sound else self.label
        return self.label if name.casefold() == self.label.casefold() else f"{self.label} · {name}"


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
