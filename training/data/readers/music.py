"""MUSIC: frames of solos and duets (Zhao et al., ECCV 2018) with boxes around the instruments.

The lists give x, y, width and height, all relative to the frame. Public code reads them as corners at times;
read that way nearly two thirds of the boxes have no area.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.data.examples import Facts
from training.data.readers.files import MediaIndex, read_json, require_annotation
from training.data.readers.reading import DataError, Findings, Reading
from training.data.samples import Sample
from training.metrics.masks import clean_boxes

_VIDEO_ID_LENGTH = 11
_ROUNDING_SLACK = 1e-3


@dataclass(frozen=True, slots=True)
class MusicFrame:
    """A frame. `name` is "<YouTube id>_<second>_<frame>"; `boxes` (B, 4) normalised xyxy, one a label."""

    name: str
    labels: tuple[str, ...]
    boxes: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MusicReader:
    """Reader of one of the two lists; all frames are for testing.

    Attributes:
        name, title: see `Reader`.
        file: the list.
        fields: names of class and box of each instrument in an entry.
    """

    name: str
    title: str
    file: str
    fields: tuple[tuple[str, str], ...]

    @property
    def layout(self) -> str:
        return (
            f"Expected: {self.file} and, anywhere below the folder, a picture and a sound for each of its "
            "entries: frames/<file>.jpg, audio/<file>.wav."
        )

    def read(self, root: Path) -> Reading:
        frames = read_frames(require_annotation(root, self.file, layout=self.layout), self.fields)
        index = MediaIndex(root)
        findings = Findings(root, self)
        for frame in frames:
            media = index.pair(frame.name)
            if media is None:
                findings.lack(frame.name)
                continue
            facts = Facts(frame.name, frame.labels, group=frame.name[:_VIDEO_ID_LENGTH], split="test")
            findings.add(
                Sample(facts, media.picture, media.sound, boxes=(frame.boxes,), box_labels=frame.labels)
            )
        index.remark_on(findings)
        return findings.close()


SOLO_READER = MusicReader(
    name="music-solo",
    title="MUSIC solos: frames with a box around the instrument",
    file="music_solo.json",
    fields=(("class", "bbox"),),
)
# Both instruments play in the sound of a duet, so a frame is one sample with two boxes: nothing in the input
# would tell two samples apart.
DUET_READER = MusicReader(
    name="music-duet",
    title="MUSIC duets: frames with a box for each of two instruments that play together",
    file="music_duet.json",
    fields=(("class_src1", "bbox_src1"), ("class_src2", "bbox_src2")),
)


def read_frames(path: Path, fields: Sequence[tuple[str, str]]) -> list[MusicFrame]:
    """All entries, in the order of the file.

    Raises DataError if it does not have these fields, or its boxes cannot be x, y, width and height.
    """
    document = read_json(path)
    try:
        return [_frame(item, fields) for item in document]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not a list of MUSIC frames with boxes: {error!r}") from error


def from_corner_and_size(boxes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Normalised boxes (B, 4) of x, y, width, height to xyxy; those without area are dropped.

    Raises ValueError if one reaches beyond the frame, as boxes do that are xyxy already.
    """
    given = np.asarray(boxes, np.float64).reshape(-1, 4)
    corners = np.hstack([given[:, :2], given[:, :2] + given[:, 2:]])
    if given.size and (given.min() < 0 or corners.max() > 1 + _ROUNDING_SLACK):
        raise ValueError("boxes that are no x, y, width, height: they reach beyond the frame")
    return clean_boxes(corners)


def _frame(item: Any, fields: Sequence[tuple[str, str]]) -> MusicFrame:
    boxes = from_corner_and_size([item[box] for _, box in fields])
    if len(boxes) != len(fields):
        raise ValueError(f"{item['file']} has a box without area")
    return MusicFrame(
        str(item["file"]), tuple(str(item[label]).replace("_", " ") for label, _ in fields), boxes
    )
