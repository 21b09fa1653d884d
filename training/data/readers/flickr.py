"""Flickr-SoundNet with boxes by up to three annotators a picture (Senocak et al., CVPR 2018).

The truth is their consensus: a pixel weighs 0.5 for each box that covers it, at most 1. The format is the one
that the code of HardWay (LVS) and SLAVC parses.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.data.examples import Facts, Split
from training.data.readers.files import MediaIndex, find_annotation, find_folders, read_rows, safe_id
from training.data.readers.reading import DataError, Findings, Reading, named
from training.data.readers.splits import split_groups
from training.data.samples import Sample
from training.metrics.masks import clean_boxes

AGREEMENT = 2
ANNOTATION_SIDE = 256
"""Coordinates count pixels of a picture of this size, whatever the size of the file."""

_FOLDER = "Annotations"
_TEST_LISTS = (
    "flickr_test.csv",
    "flickr_test249_in5k.csv",
    "flickr_test_249.csv",
    "test_flickr_250.txt",
    "test_flickr_249.txt",
    "test_list.txt",
)


class Flickr:
    """Reader of Flickr-SoundNet: pictures with boxes, and pictures without for training."""

    name = "flickr"
    title = "Flickr-SoundNet: pictures with sounds, boxes by three annotators"
    layout = (
        "Expected: frames/<id>.jpg, audio/<id>.wav and, for the pictures with boxes, Annotations/<id>.xml. "
        f"Optional: the list of test ids as {_TEST_LISTS[0]} (or {', '.join(_TEST_LISTS[1:])}). With a "
        "list, what is on it is for testing and all else for training; without one, all pictures with "
        "boxes are for testing."
    )

    def read(self, root: Path) -> Reading:
        findings = Findings(root, self)
        add_flickr(root, findings)
        return findings.close()


def add_flickr(root: Path, findings: Findings, *, test_only: bool = False) -> None:
    """Add what is there. Raises DataError if a list or an annotation cannot be read."""
    annotations = {path.stem: path for folder in find_folders(root, _FOLDER) for path in folder.glob("*.xml")}
    listed = _test_ids(root)
    test = annotations.keys() if listed is None else listed
    index = MediaIndex(root)
    rest = {identity for identity in index.pictures() if identity not in test and index.pair(identity)}
    splits: dict[str, Split] = {**split_groups(rest), **dict.fromkeys(test, "test")}
    boxless = []
    for identity in sorted(test if test_only else splits.keys() | annotations.keys()):
        media = index.pair(identity)
        if media is None or (identity in test and identity not in annotations):
            findings.lack(identity if media is None else f"{identity}.xml")
            continue
        boxes = read_annotation(annotations[identity]) if identity in annotations else ()
        if identity in annotations and not boxes:
            boxless.append(identity)
        facts = Facts(safe_id(identity), group=identity, split=splits[identity])
        findings.add(Sample(facts, media.picture, media.sound, boxes=boxes, agreement=AGREEMENT))
    if boxless:
        findings.remark(f"No box with an area, so without truth: {named(boxless)}.")
    index.remark_on(findings)


def read_annotation(path: Path) -> tuple[npt.NDArray[np.float64], ...]:
    """Boxes (B, 4), normalised xyxy, of each annotator who drew one.

    The children of the root are annotators; a `bbox` holds something else first and then xmin, ymin, xmax and
    ymax in pixels of 256.

    Raises DataError if the file is not like that.
    """
    try:
        # One's own data, and expat bounds what entities may grow to.
        root = ET.parse(path).getroot()  # noqa: S314
        drawn = [_boxes_of(annotator) for annotator in root]
    except (ET.ParseError, ValueError) as error:
        raise DataError(f"{path} is not an annotation of Flickr-SoundNet: {error}") from error
    return tuple(boxes for boxes in drawn if len(boxes))


def _boxes_of(annotator: ET.Element) -> npt.NDArray[np.float64]:
    pixels = [[int(edge.text or "") for edge in list(box)[1:5]] for box in annotator.findall("bbox")]
    return clean_boxes(np.array(pixels, np.float64).reshape(len(pixels), 4) / ANNOTATION_SIDE)


def _test_ids(root: Path) -> set[str] | None:
    """Ids of the test list, which stand first in a row, as file names in some of the lists."""
    path = find_annotation(root, *_TEST_LISTS)
    if path is None:
        return None
    ids = {Path(row[0].strip()).stem for row in read_rows(path)}
    if not ids:
        raise DataError(f"{path} lists no picture")
    return ids
