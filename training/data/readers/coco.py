"""COCO: pictures with boxes around people, vehicles and animals, and no sound (Lin et al., ECCV 2014).

Boxes of the other kinds, chairs and the like, are left out: hardly any of them sounds.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.data.examples import Facts
from training.data.readers.files import read_json, safe_id
from training.data.readers.reading import DataError, Findings, Reading
from training.data.samples import Sample
from training.metrics.masks import clean_boxes

_ANNOTATIONS = "annotations"
_FILES = "instances_*.json"
_FAMILIES = frozenset({"person", "vehicle", "animal"})


class Coco:
    """Reader of COCO's detection annotations; all pictures are for testing. Crowds are left out."""

    name = "coco"
    title = "COCO: still pictures with boxes around people, vehicles and animals"
    layout = (
        f"Expected: {_ANNOTATIONS}/{_FILES} (instances_val2017.json) and, beside {_ANNOTATIONS}, a folder of "
        "pictures for each, named by what follows instances_ (val2017)."
    )

    def read(self, root: Path) -> Reading:
        files = sorted((root / _ANNOTATIONS).glob(_FILES))
        if not files:
            raise DataError(f"{root}: no {_ANNOTATIONS}/{_FILES} in it. {self.layout}")
        findings = Findings(root, self)
        for path in files:
            _read_file(path, root / path.stem.removeprefix("instances_"), findings)
        return findings.close()


def _read_file(path: Path, pictures: Path, findings: Findings) -> None:
    table = read_json(path)
    try:
        names = {
            entry["id"]: entry["name"] for entry in table["categories"] if entry["supercategory"] in _FAMILIES
        }
        drawn: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for annotation in table["annotations"]:
            if not annotation.get("iscrowd", 0) and annotation["category_id"] in names:
                drawn[annotation["image_id"]].append(annotation)
        for entry in table["images"]:
            media = pictures / entry["file_name"]
            if not media.is_file():
                findings.lack(entry["file_name"])
                continue
            boxes, labels = _boxes(drawn[entry["id"]], entry["width"], entry["height"], names)
            if len(boxes):
                facts = Facts(
                    safe_id(media.stem), labels=tuple(sorted(set(labels))), split="test", sounding=False
                )
                findings.add(Sample(facts, media, boxes=(boxes,), box_labels=labels))
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise DataError(f"{path} is no annotation file of COCO: {error!r}") from error


def _boxes(
    annotations: list[dict[str, Any]], width: float, height: float, names: dict[int, str]
) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """COCO's x, y, width, height in pixels to normalised xyxy (B, 4), and B labels."""
    kept, labels = [], []
    for annotation in annotations:
        x, y, w, h = annotation["bbox"]
        box = clean_boxes([[x / width, y / height, (x + w) / width, (y + h) / height]])
        if len(box):
            kept.append(box[0])
            labels.append(names[annotation["category_id"]])
    return np.array(kept, np.float64).reshape(-1, 4), tuple(labels)
