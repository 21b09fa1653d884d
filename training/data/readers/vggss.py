"""VGG-SS: one frame of each of 5,158 VGG-Sound test clips, with boxes (Chen et al., CVPR 2021).

`vggss.json` has defects that are handled here: 12 entries hold a coordinate of -2.9e16 and 18 a box without
area; after clipping two entries have no box left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.data.examples import Facts
from training.data.readers.files import MediaIndex, find_annotation, read_json, read_rows, require_annotation
from training.data.readers.reading import DataError, Findings, Reading, named
from training.data.readers.vggsound import file_names
from training.data.samples import Sample
from training.metrics.masks import Mask, Rounding, clean_boxes, rasterize

ANNOTATIONS = "vggss.json"

# Classes that occur in training with EZ-VSL's Heard 110 subset, and the others (Mo and Morgado, ECCV 2022).
_HEARD = {"yes": "vggss_heard_test.csv", "no": "vggss_unheard_test.csv"}


@dataclass(frozen=True, slots=True)
class VggssEntry:
    """A frame. `clip` is "<YouTube id>_<start in s, 6 digits>"; `boxes` (B, 4) normalised xyxy, B >= 0."""

    clip: str
    label: str
    boxes: npt.NDArray[np.float64]


class Vggss:
    """Reader of VGG-SS. The boxes were drawn on the middle frame of the clip; all clips are for testing."""

    name = "vggss"
    title = "VGG-SS: 5,158 VGG-Sound test clips with boxes on one frame"
    layout = (
        f"Expected: {ANNOTATIONS} as published with HardWay (LVS) and the clips anywhere below the folder: "
        "<id>_<start, 6 digits>.mp4, or the middle frame and the sound as frames/<clip>.jpg and "
        f"audio/<clip>.wav. Optional: {_HEARD['yes']} and {_HEARD['no']} of EZ-VSL."
    )

    def read(self, root: Path) -> Reading:
        findings = Findings(root, self)
        add_vggss(root, findings, layout=self.layout)
        return findings.close()


def add_vggss(root: Path, findings: Findings, *, layout: str) -> None:
    """Add all clips with boxes that are there. Raises DataError."""
    entries = read_vggss(require_annotation(root, ANNOTATIONS, layout=layout))
    heard = _heard(root)
    index = MediaIndex(root)
    without_boxes = []
    for entry in entries:
        media = index.clip(*file_names(entry.clip))
        if media is None:
            findings.lack(entry.clip)
        elif not len(entry.boxes):
            without_boxes.append(entry.clip)
        else:
            extra = {"heard": heard[entry.clip]} if entry.clip in heard else {}
            facts = Facts(entry.clip, (entry.label,), group=entry.clip[:-7], split="test", extra=extra)
            findings.add(Sample(facts, media.picture, media.sound, boxes=(entry.boxes,)))
    if without_boxes:
        findings.remark(f"No box with an area, left out: {named(without_boxes)}.")
    index.remark_on(findings)


def read_vggss(path: Path) -> list[VggssEntry]:
    """All entries of the annotation file, in its order; boxes clipped to [0, 1], those without area dropped.

    Raises:
        FileNotFoundError: if there is no such file.
        DataError: if it does not have the fields of VGG-SS.
    """
    document = read_json(path)
    try:
        return [
            VggssEntry(str(item["file"]), str(item["class"]), clean_boxes(item["bbox"])) for item in document
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not the VGG-SS annotation file: {error!r}") from error


def vggss_masks(
    entries: Sequence[VggssEntry], *, rounding: Rounding = "truncate", drop_empty: bool = False
) -> list[Mask]:
    """Ground truth (224, 224) of each entry, the union of its boxes.

    The published code truncates and keeps entries without any box (n = 5,158); they can only score 0. With
    `drop_empty` they are left out (n = 5,156). State both choices beside a figure: they move it by 0.1 point.
    """
    masks = [rasterize(entry.boxes, rounding=rounding) for entry in entries]
    return [mask for mask in masks if mask.any()] if drop_empty else masks


def _heard(root: Path) -> dict[str, str]:
    """Clip to "yes" or "no" as far as the lists are there."""
    listed = {answer: find_annotation(root, name) for answer, name in _HEARD.items()}
    return {row[0]: answer for answer, path in listed.items() if path is not None for row in read_rows(path)}
