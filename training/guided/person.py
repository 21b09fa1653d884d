"""The person probe: which visual tokens show a person, and which a head.

COCO has outlines of persons but none of heads: the head is taken as the top of an upright person's outline,
and persons for whom that is unsafe (lying, cut off at the top) are left out of the head's loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from training.guided.calibrator import GRID
from training.guided.localizer import PersonProbe
from training.guided.pictures import Box, Picture, Thing, around, coco_images

_RASTER = 8 * GRID  # pixels of the masks before they are averaged over cells
_STEPS, _BATCH, _RATE, _DECAY = 1200, 32, 3e-3, 0.05


@dataclass(frozen=True, slots=True)
class PersonView:
    """A picture with the share of each cell that a person and a head cover, and what the loss may use.

    `cover` and `weight` are (16, 16, 2) float32 in [0, 1]: person, head.
    """

    picture: Picture
    cover: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]


def person_views(data_dir: Path, rng: np.random.Generator) -> list[PersonView]:
    """Every COCO mini picture whole, and up to four squares around persons or anywhere."""
    views = []
    for split in ("train2017", "val2017"):
        for entry in coco_images(data_dir, split):
            for crop in ((0.0, 0.0, 1.0, 1.0), *_crops(entry, rng)):
                cover, weight = _masks(entry, crop)
                views.append(PersonView(Picture(entry["file"], (), crop), cover, weight))
    return views


def empty_views(files: list[str]) -> list[PersonView]:
    """Pictures without any person."""
    none = np.zeros((GRID, GRID, 2), np.float32)
    return [PersonView(Picture(file, ()), none, np.ones_like(none)) for file in files]


def _crops(entry: dict[str, Any], rng: np.random.Generator) -> list[Box]:
    width, height = entry["width"], entry["height"]
    boxes = [
        Thing("person", (x / width, y / height, (x + w) / width, (y + h) / height)).box
        for x, y, w, h in (a["bbox"] for a in entry["annotations"] if a["name"] == "person")
        if h / height > 0.12
    ]
    crops = []
    for index in rng.permutation(len(boxes))[:4]:
        scale = float(rng.choice([0.5, 0.7, 0.9, 1.2, 1.6]))
        crops.append(
            around(boxes[index], scale, (float(rng.uniform(-0.2, 0.2)), float(rng.uniform(-0.4, 0.1))))
        )
    if not boxes or rng.random() < 0.5:
        side = float(rng.uniform(0.3, 0.6))
        x, y = rng.uniform(0, 1 - side, 2)
        crops.append((float(x), float(y), float(x) + side, float(y) + side))
    return crops


def _masks(entry: dict[str, Any], crop: Box) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    person, head = Image.new("L", (_RASTER, _RASTER)), Image.new("L", (_RASTER, _RASTER))
    unsure = [Image.new("L", (_RASTER, _RASTER)) for _ in range(2)]
    canvas = _Canvas(crop, entry["width"], entry["height"])
    for annotation in entry["annotations"]:
        if annotation["name"] != "person":
            continue
        x, y, w, h = annotation["bbox"]
        if annotation["iscrowd"]:
            for image in unsure:
                canvas.rectangle(image, x, y, x + w, y + h)
            continue
        for outline in annotation["segmentation"]:
            canvas.polygon(person, outline)
        box = _head(annotation, entry["height"])
        if box is None:
            canvas.rectangle(unsure[1], x, y, x + w, y + h)
        else:
            canvas.rectangle(head, *box)
    cover = np.stack([_pooled(person), np.minimum(_pooled(head), _pooled(person))], -1)
    weight = np.stack([(_pooled(image) == 0).astype(np.float32) for image in unsure], -1)
    return cover, weight


def _head(annotation: dict[str, Any], height: float) -> tuple[float, float, float, float] | None:
    """Pixels of the head of an upright person, by proportion; None where that is unsafe."""
    x, y, w, h = annotation["bbox"]
    if h / w < 1.1 or y < 0.01 * height:
        return None
    whole_body = h / w > 2
    head_width, head_height = (0.12 * h, 0.19 * h) if whole_body else (0.18 * h, 0.36 * h)
    points = np.concatenate([np.reshape(outline, (-1, 2)) for outline in annotation["segmentation"]])
    top = points[points[:, 1] < y + 0.15 * h, 0]
    centre = float(top.mean()) if len(top) else x + w / 2
    return centre - head_width / 2, y, centre + head_width / 2, y + head_height


@dataclass(frozen=True, slots=True)
class _Canvas:
    """Draws in pixels of a picture onto the raster of one crop of it."""

    crop: Box
    width: float
    height: float

    def _place(self, x: float, y: float) -> tuple[float, float]:
        x0, y0, x1, y1 = self.crop
        return (
            (x / self.width - x0) / (x1 - x0) * _RASTER,
            (y / self.height - y0) / (y1 - y0) * _RASTER,
        )

    def rectangle(self, image: Image.Image, x0: float, y0: float, x1: float, y1: float) -> None:
        ImageDraw.Draw(image).rectangle([self._place(x0, y0), self._place(x1, y1)], fill=255)

    def polygon(self, image: Image.Image, outline: list[float]) -> None:
        points = [self._place(x, y) for x, y in zip(outline[::2], outline[1::2], strict=True)]
        ImageDraw.Draw(image).polygon(points, fill=255)


def _pooled(image: Image.Image) -> npt.NDArray[np.float32]:
    cells = np.asarray(image, np.float32).reshape(GRID, _RASTER // GRID, GRID, _RASTER // GRID)
    return cells.mean((1, 3)) / 255


def fit_person(tokens: Tensor, views: list[PersonView], *, seed: int, steps: int = _STEPS) -> PersonProbe:
    """Fit the probe. `tokens` is (V, 256, 384) for the V views; `steps` of the optimiser."""
    torch.manual_seed(seed)
    cover = torch.from_numpy(np.stack([view.cover for view in views])).reshape(len(views), -1, 2)
    weight = torch.from_numpy(np.stack([view.weight for view in views])).reshape(len(views), -1, 2)
    probe = PersonProbe()
    probe.mean.copy_(tokens.mean((0, 1)))
    probe.scale.copy_(tokens.std((0, 1)) + 1e-4)
    optimizer = torch.optim.AdamW(probe.parameters(), _RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, steps)
    for _ in range(steps):
        rows = torch.randint(len(views), (_BATCH,))
        loss = nn.functional.binary_cross_entropy_with_logits(
            probe(tokens[rows]), cover[rows], weight=weight[rows]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return probe.eval()
