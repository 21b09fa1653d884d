"""What sounds in a clip as WebVTT subtitles: the names of what is heard, and where its source is.

Cues read `Guitar (acoustic guitar, left)` where a detected object sounds, else `Guitar (in view)` or
`Guitar (not in view)`. What an object is heard as stands with it unless it is said already:
`Animal (dog · Bark, left)`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import BinaryIO

from app.results.model import Detection, Result
from app.results.tracks import Track, tracks_of

_MOST_NAMES = 2  # of what is heard; more would not be read in time
_MOST_OBJECTS = 3
_BLIP_S = 0.4  # a change of text that goes back after no longer than this is not shown
_THIRDS = ((1 / 3, "left"), (2 / 3, "centre"), (1.0, "right"))


@dataclass(frozen=True, slots=True)
class Cue:
    """A text without markup that is shown from `start_s` to `end_s`, seconds of the displayed timeline."""

    start_s: float
    end_s: float
    text: str


def write_vtt(result: Result, stream: BinaryIO) -> None:
    """Write the file as UTF-8, with a note of the model; a clip in which nothing is heard has no cues."""
    made_by = _escaped(f"{result.model.name} {result.model.version}")
    stream.write(f"WEBVTT\n\nNOTE Sounds heard by {made_by} of Earsight\n".encode())
    for cue in cues(result):
        start, end = _milliseconds(cue.start_s), _milliseconds(cue.end_s)
        if start < end:  # a cue without length is an error
            text = _escaped(cue.text)
            stream.write(f"\n{_timestamp(start)} --> {_timestamp(end)}\n{text}\n".encode())


def cues(result: Result) -> list[Cue]:
    """The cues in the order of time; they do not overlap, and equal texts that follow each other are one.

    A frame stands for the time that is closer to it than to any other frame, as in the overlay.
    """
    words = _Words(result)
    shown = [
        Cue(start_s, end_s, words.of_frame(index)) for index, (start_s, end_s) in enumerate(_spans(result))
    ]
    return [cue for cue in _without_blips(_merged(shown)) if cue.text]


def _spans(result: Result) -> list[tuple[float, float]]:
    times_s = [float(time_s) for time_s in result.frames.time_s]
    if not times_s:
        return []
    middles = [(before + after) / 2 for before, after in pairwise(times_s)]
    end_s = max(result.source.duration_s, times_s[-1])
    return list(pairwise([times_s[0], *middles, end_s]))


@dataclass(frozen=True, slots=True)
class _Name:
    """What a track is called, what it is heard as, and both together."""

    label: str
    sound: str | None
    called: str

    @classmethod
    def of(cls, track: Track) -> _Name:
        sound = track.sound
        return cls(track.label, None if sound is None else sound.label, track.called)


class _Words:
    """Puts what a frame says into words that hold still from frame to frame."""

    def __init__(self, result: Result) -> None:
        self._frames = result.frames
        self._thresholds = result.thresholds
        # Once for each track: its sound is a vote of all its frames.
        self._names = {track.track_id: _Name.of(track) for track in tracks_of(result.frames)}
        # Names keep one order, by their scores over the whole clip, so that they do not swap.
        self._weight: defaultdict[str, float] = defaultdict(float)
        for heard in result.frames.heard:
            for event in heard:
                self._weight[event.label] += event.score

    def of_frame(self, index: int) -> str:
        """What to show for a frame; empty in silence."""
        heard = self._frames.heard[index][:_MOST_NAMES]
        if not heard:
            return ""
        names = sorted((event.label for event in heard), key=lambda label: (-self._weight[label], label))
        return f"{' · '.join(names)} ({self._where(index, names)})"

    def _where(self, index: int, names: list[str]) -> str:
        found = () if self._frames.detections is None else self._frames.detections[index]
        sounding = [each for each in found if each.sounding >= self._thresholds.sounding]
        if sounding:
            return self._objects(sounding, names)
        present = self._frames.presence[index] >= self._thresholds.presence
        return "in view" if present else "not in view"

    def _objects(self, sounding: list[Detection], names: list[str]) -> str:
        """The most probable sources, from left to right, beside the names of what is heard."""
        most = sorted(sounding, key=lambda each: -each.sounding)[:_MOST_OBJECTS]
        most.sort(key=_middle)
        return "; ".join(dict.fromkeys(f"{self._called(each, names)}, {_side(each)}" for each in most))

    def _called(self, detection: Detection, names: list[str]) -> str:
        name = self._names[detection.track_id]
        return name.label if name.sound in (None, *names) else name.called


def _middle(detection: Detection) -> float:
    return (detection.box[0] + detection.box[2]) / 2


def _side(detection: Detection) -> str:
    return next(side for end, side in _THIRDS if _middle(detection) <= end)


def _merged(shown: list[Cue]) -> list[Cue]:
    merged: list[Cue] = []
    for cue in shown:
        if merged and merged[-1].text == cue.text:
            merged[-1] = replace(merged[-1], end_s=cue.end_s)
        else:
            merged.append(cue)
    return merged


def _without_blips(shown: list[Cue]) -> list[Cue]:
    """Bridge what is shown too briefly to be read between two cues of one text; silence bridges nothing."""
    calm: list[Cue] = []
    for cue in shown:
        returns = len(calm) >= 2 and calm[-2].text == cue.text != ""
        if returns and calm[-1].end_s - calm[-1].start_s <= _BLIP_S:
            calm[-2:] = [replace(calm[-2], end_s=cue.end_s)]
        else:
            calm.append(cue)
    return calm


def _milliseconds(time_s: float) -> int:
    return max(0, round(time_s * 1000))


def _timestamp(milliseconds: int) -> str:
    """hh:mm:ss.mmm, the hours with more digits where needed."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{milliseconds:03d}"


def _escaped(text: str) -> str:
    """Text that a WebVTT parser gives back as it was, on one line; an arrow `-->` cannot remain in it."""
    one_line = " ".join(text.replace("\0", "\ufffd").split())
    return one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
