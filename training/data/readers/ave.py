"""AVE: 4,143 events in 4,097 ten-second videos, 28 kinds, with their seconds (Tian et al., ECCV 2018).

Two thirds of the events last the whole video, so "it sounds all the time" is nearly always right. When
something sounds can only be judged on the others, the partial events, beside the answer that is the same for
every video (`hit_rate`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.data.examples import Facts, Split
from training.data.readers.files import Media, MediaIndex, find_annotation, require_annotation, safe_id
from training.data.readers.reading import DataError, Findings, Reading, named
from training.data.readers.splits import split_groups
from training.data.samples import Sample

ANNOTATIONS = "Annotations.txt"
VIDEO_S = 10

_SET_FILES: dict[Split, str] = {"train": "trainSet.txt", "val": "valSet.txt", "test": "testSet.txt"}
_HELD_OUT: dict[Split, int] = {"train": 0, "val": 1, "test": 2}


@dataclass(frozen=True, slots=True)
class AveEvent:
    """A row of the annotations: what sounds in [start_s, end_s), whole seconds of the video."""

    label: str
    video: str
    start_s: float
    end_s: float

    @property
    def identity(self) -> str:
        """Unique: no video holds two events of one kind."""
        return safe_id(f"{self.video}_{re.sub('[^a-z]+', '-', self.label.lower())}")

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s

    @property
    def partial(self) -> bool:
        """Whether some of the video is without it."""
        return self.length_s < VIDEO_S


@dataclass(frozen=True, slots=True)
class AveFigures:
    """What the annotations alone say.

    Attributes:
        events, videos, labels, partial, empty: how many; `empty` events end where they start.
        whole_share: share of events that last the whole video.
        coverage: mean share of a video that its event fills: the accuracy by seconds of "always".
    """

    events: int
    videos: int
    labels: int
    partial: int
    empty: int
    whole_share: float
    coverage: float


class Ave:
    """Reader of AVE. A video with two events gives two samples of one group."""

    name = "ave"
    title = "AVE: ten-second videos with the seconds that an event lasts; no boxes"
    layout = (
        f"Expected: {ANNOTATIONS} (Category&VideoID&Quality&Start&End), the videos as AVE/<VideoID>.mp4 or "
        f"anywhere below the folder, and {', '.join(_SET_FILES.values())}, which say what is for training, "
        "validation and testing."
    )

    def read(self, root: Path) -> Reading:
        events = read_events(require_annotation(root, ANNOTATIONS, f"ave_{ANNOTATIONS}", layout=self.layout))
        findings = Findings(root, self)
        splits = _splits(root, events, findings)
        index = MediaIndex(root)
        empty, unlisted = [], []
        for event in events:
            media = index.clip(event.video)
            if media is None:
                findings.lack(f"{event.video} ({event.label})")
            elif event.length_s <= 0:
                empty.append(event.identity)
            elif event.video not in splits:
                unlisted.append(event.identity)
            else:
                findings.add(_sample(event, media, split=splits[event.video]))
        if empty:
            findings.remark(f"Ends at the second that it starts at, left out: {named(empty)}.")
        if unlisted:
            findings.remark(f"In none of the set files, left out: {len(unlisted)}, {named(unlisted)}.")
        index.remark_on(findings)
        return findings.close()


def read_events(path: Path) -> list[AveEvent]:
    """The rows of an annotation or set file; a heading is left out.

    Raises DataError if the file does not have the five fields.
    """
    try:
        rows = [line.split("&") for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text: {error}") from error
    if rows and rows[0][:2] == ["Category", "VideoID"]:
        rows = rows[1:]
    if not rows:
        raise DataError(f"{path} lists no event")
    return [_event(path, row) for row in rows]


def figures(events: Sequence[AveEvent]) -> AveFigures:
    """Counts and shares over at least one event."""
    return AveFigures(
        events=len(events),
        videos=len({event.video for event in events}),
        labels=len({event.label for event in events}),
        partial=len(partial_events(events)),
        empty=sum(event.length_s <= 0 for event in events),
        whole_share=sum(not event.partial for event in events) / len(events),
        coverage=sum(event.length_s for event in events) / (VIDEO_S * len(events)),
    )


def partial_events(events: Sequence[AveEvent]) -> list[AveEvent]:
    """Those that do not last the whole video."""
    return [event for event in events if event.partial]


def hit_rate(events: Sequence[AveEvent], second: float) -> float:
    """Share of events that contain this second: what pointing there in every video reaches."""
    return sum(event.start_s <= second < event.end_s for event in events) / len(events)


def best_constant(events: Sequence[AveEvent]) -> tuple[int, float]:
    """The second that most events contain, and its hit rate: the trivial row beside pointing in time."""
    best = max(range(VIDEO_S), key=lambda second: hit_rate(events, second))
    return best, hit_rate(events, best)


def _event(path: Path, row: list[str]) -> AveEvent:
    try:
        label, video, _, start_s, end_s = row
        return AveEvent(label.strip(), video.strip(), float(start_s), float(end_s))
    except ValueError as error:
        raise DataError(
            f"{path}: {'&'.join(row)[:80]!r} is not Category&VideoID&Quality&Start&End"
        ) from error


def _sample(event: AveEvent, media: Media, *, split: Split) -> Sample:
    seconds = {"onset_s": f"{event.start_s:g}", "offset_s": f"{event.end_s:g}"}
    facts = Facts(event.identity, (event.label,), group=event.video, split=split, extra=seconds)
    return Sample(facts, media.picture, media.sound, span_s=(event.start_s, event.end_s))


def _splits(root: Path, events: Sequence[AveEvent], findings: Findings) -> dict[str, Split]:
    """Split of each video. One whose events are in several sets belongs to the one that is held out more."""
    files = {split: find_annotation(root, name) for split, name in _SET_FILES.items()}
    absent = [_SET_FILES[split] for split, path in files.items() if path is None]
    if len(absent) == len(files):
        findings.remark(
            "None of the set files is there: a tenth of the videos is split off for validation, none for "
            "testing."
        )
        return split_groups(event.video for event in events)
    if absent:
        findings.remark(f"No {' and no '.join(absent)}.")
    splits: dict[str, Split] = {}
    moved: dict[str, None] = {}
    for split, path in files.items():
        for event in read_events(path) if path is not None else ():
            known = splits.setdefault(event.video, split)
            if known != split:
                moved[event.video] = None
                splits[event.video] = max(known, split, key=_HELD_OUT.__getitem__)
    if moved:
        findings.remark(
            "Videos with events in several sets, all put into the one that is held out more: "
            f"{len(moved)}, {named(moved)}."
        )
    return splits
