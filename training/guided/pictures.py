"""Pictures with boxes of what could sound in them: COCO, hand-drawn boxes, zooms and mosaics of both."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Box = tuple[float, float, float, float]
Frame = npt.NDArray[np.uint8]

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
DRAWN = Path(__file__).with_name("boxes.json")  # drawn by hand, keyed by file below the data directory
_SAME_THING = {"people": "person"}
_KEPT_OF_BOX = 0.3  # a box that a zoom cuts down to less than this share of it is dropped
_KEPT_OF_THINGS = 0.6  # of their area, in a random part of a picture
_TRIES = 30


@dataclass(frozen=True, slots=True)
class Thing:
    """A labelled object; `box` is xyxy, normalised to the picture it is in."""

    label: str
    box: Box

    @property
    def area(self) -> float:
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


@dataclass(frozen=True, slots=True)
class Picture:
    """A part of a file (`crop`, normalised xyxy) and the things in it, normalised to that part."""

    file: str
    things: tuple[Thing, ...]
    crop: Box = WHOLE

    def labels(self) -> set[str]:
        return {thing.label for thing in self.things}


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Pictures side by side; `cells` are normalised to the mosaic, `things` too."""

    parts: tuple[Picture, ...]
    cells: tuple[Box, ...]
    things: tuple[Thing, ...]

    def labels(self) -> set[str]:
        return {thing.label for thing in self.things}


def read_coco(data_dir: Path) -> list[Picture]:
    """Every picture of the COCO minis and of `images.csv` that has boxes."""
    pictures = []
    for split in ("train2017", "val2017"):
        for entry in coco_images(data_dir, split):
            things = tuple(
                Thing(a["name"], _scaled(a["bbox"], entry["width"], entry["height"]))
                for a in entry["annotations"]
                if not a["iscrowd"]
            )
            pictures.append(Picture(entry["file"], things))
    with (data_dir / "images.csv").open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            if row["boxes"]:
                boxes = json.loads(row["boxes"])
                pictures.append(Picture(row["file"], tuple(Thing(name, tuple(box)) for name, *box in boxes)))
    return [picture for picture in pictures if picture.things]


def coco_images(data_dir: Path, split: str) -> list[dict[str, Any]]:
    """COCO's image entries, each with its file below `data_dir` and its annotations with category names."""
    root = data_dir / "images" / "coco_mini"
    table = json.loads((root / "annotations" / f"instances_{split}.json").read_text(encoding="utf-8"))
    names = {category["id"]: category["name"] for category in table["categories"]}
    images = {
        entry["id"]: {**entry, "file": f"images/coco_mini/{split}/{entry['file_name']}", "annotations": []}
        for entry in table["images"]
    }
    for annotation in table["annotations"]:
        images[annotation["image_id"]]["annotations"].append(
            {**annotation, "name": names[annotation["category_id"]], "iscrowd": annotation.get("iscrowd", 0)}
        )
    return list(images.values())


def _scaled(bbox: list[float], width: float, height: float) -> Box:
    x, y, w, h = bbox
    return (x / width, y / height, (x + w) / width, (y + h) / height)


def read_drawn() -> list[Picture]:
    """Still pictures with drawn boxes: one class each, named by the file or its folder."""
    pictures = []
    for file, entry in json.loads(DRAWN.read_text(encoding="utf-8")).items():
        if not file.startswith("images/") or not entry["boxes"]:
            continue
        folder, name = Path(file).parent.name, Path(file).name
        label = re.match(r"[a-z]+", name if folder == "imagehear" else folder)
        assert label is not None
        word = _SAME_THING.get(label.group(), label.group())
        pictures.append(Picture(file, tuple(Thing(word, tuple(box)) for box in entry["boxes"])))
    return pictures


def zoom(picture: Picture, crop: Box) -> Picture:
    """The same picture, cut to `crop`; things that are mostly cut away are dropped."""
    x0, y0, x1, y1 = crop
    things = []
    for thing in picture.things:
        a, b, c, d = thing.box
        cut = (max(a, x0), max(b, y0), min(c, x1), min(d, y1))
        if cut[2] <= cut[0] or cut[3] <= cut[1]:
            continue
        if (cut[2] - cut[0]) * (cut[3] - cut[1]) < _KEPT_OF_BOX * thing.area:
            continue
        w, h = x1 - x0, y1 - y0
        things.append(
            Thing(thing.label, ((cut[0] - x0) / w, (cut[1] - y0) / h, (cut[2] - x0) / w, (cut[3] - y0) / h))
        )
    return replace(picture, things=tuple(things), crop=crop)


def around(box: Box, scale: float, shift: tuple[float, float]) -> Box:
    """A square crop around `box`, `scale` times its longer side, moved by `shift` of its own side."""
    side = min(1.0, scale * max(box[2] - box[0], box[3] - box[1]))
    x = (box[0] + box[2]) / 2 + shift[0] * side - side / 2
    y = (box[1] + box[3]) / 2 + shift[1] * side - side / 2
    x, y = min(max(0.0, x), 1 - side), min(max(0.0, y), 1 - side)
    return (x, y, x + side, y + side)


def zooms(pictures: Iterable[Picture], labels: set[str], rng: np.random.Generator) -> list[Picture]:
    """Up to two closer views of each picture, each around a thing with one of `labels`."""
    views = []
    for picture in pictures:
        wanted = [t for t in picture.things if t.label in labels and 0.01 < t.area < 0.5]
        done: set[str] = set()
        for index in rng.permutation(len(wanted)):
            thing = wanted[index]
            if thing.label in done or len(done) == 2:
                continue
            done.add(thing.label)
            shift = (float(rng.uniform(-0.15, 0.15)), float(rng.uniform(-0.15, 0.15)))
            views.append(zoom(picture, around(thing.box, float(rng.uniform(1.15, 2.2)), shift)))
    return [view for view in views if view.things]


def part_of(picture: Picture, rng: np.random.Generator) -> Picture | None:
    """A random part of the picture that holds most of its things; None if there is none to be found."""
    for _ in range(_TRIES):
        w = float(rng.uniform(0.5, 0.9))
        h = min(1.0, w * float(rng.uniform(0.85, 1.18)))
        x, y = float(rng.uniform(0, 1 - w)), float(rng.uniform(0, 1 - h))
        part = zoom(picture, (x, y, x + w, y + h))
        if sum(t.area for t in part.things) * w * h >= _KEPT_OF_THINGS * sum(t.area for t in picture.things):
            return part
    return None


_LAYOUTS: tuple[tuple[Box, ...], ...] = (
    ((0, 0, 0.5, 1), (0.5, 0, 1, 1)),
    ((0, 0, 1, 0.5), (0, 0.5, 1, 1)),
    ((0, 0, 0.5, 0.5), (0.5, 0, 1, 0.5), (0, 0.5, 0.5, 1), (0.5, 0.5, 1, 1)),
)


def mosaics(pictures: list[Picture], labels: set[str], count: int, rng: np.random.Generator) -> list[Mosaic]:
    """`count` mosaics of two or four pictures, each showing another of `labels` well."""
    showing: dict[str, list[Picture]] = {}
    for picture in pictures:
        for label in sorted(picture.labels() & labels):
            if 0.12 < sum(t.area for t in picture.things if t.label == label) < 0.8:
                showing.setdefault(label, []).append(picture)
    names = sorted(showing)
    made = []
    for _ in range(count):
        cells = _LAYOUTS[rng.choice(3, p=(0.5, 0.25, 0.25))]
        chosen = [showing[name] for name in rng.choice(names, len(cells), replace=False)]
        parts = tuple(options[rng.integers(len(options))] for options in chosen)
        things = tuple(
            Thing(thing.label, _placed(thing.box, cell))
            for part, cell in zip(parts, cells, strict=True)
            for thing in part.things
        )
        made.append(Mosaic(parts, cells, things))
    return made


def _placed(box: Box, cell: Box) -> Box:
    w, h = cell[2] - cell[0], cell[3] - cell[1]
    return (cell[0] + box[0] * w, cell[1] + box[1] * h, cell[0] + box[2] * w, cell[1] + box[3] * h)


def pixels(picture: Picture | Mosaic, data_dir: Path, size: int) -> Frame:
    """(size, size, 3) RGB, squashed to a square as the service does."""
    if isinstance(picture, Picture):
        return np.asarray(_cut(picture, data_dir, (size, size)))
    canvas = Image.new("RGB", (size, size))
    for part, cell in zip(picture.parts, picture.cells, strict=True):
        box = tuple(round(v * size) for v in cell)
        canvas.paste(_cut(part, data_dir, (box[2] - box[0], box[3] - box[1])), box[:2])
    return np.asarray(canvas)


def _cut(picture: Picture, data_dir: Path, size: tuple[int, int]) -> Image.Image:
    with Image.open(data_dir / picture.file) as image:
        rgb = image.convert("RGB")
    width, height = rgb.size
    x0, y0, x1, y1 = picture.crop
    corners = (round(x0 * width), round(y0 * height), round(x1 * width), round(y1 * height))
    return rgb.crop(corners).resize(size, Image.Resampling.BILINEAR)
