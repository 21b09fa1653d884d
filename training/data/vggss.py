"""VGG-SS: one frame of each of 5,158 VGG-Sound test clips, with boxes (Chen et al., CVPR 2021).

`vggss.json` has defects that are handled here: 12 entries hold a coordinate of -2.9e16 and 18 a box without
area; after clipping two entries have no box left.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.metrics.masks import Mask, Rounding, clean_boxes, rasterize

ANNOTATIONS = "vggss.json"


@dataclass(frozen=True, slots=True)
class VggssEntry:
    """A frame. `clip` is "<YouTube id>_<start in s, 6 digits>"; `boxes` (B, 4) normalised xyxy, B >= 0."""

    clip: str
    label: str
    boxes: npt.NDArray[np.float64]


def read_vggss(path: Path) -> list[VggssEntry]:
    """All entries of the annotation file, in its order; boxes clipped to [0, 1], those without area dropped.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it does not have the fields of VGG-SS.
    """
    try:
        return [
            VggssEntry(item["file"], item["class"], clean_boxes(item["bbox"]))
            for item in json.loads(path.read_text(encoding="utf-8"))
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not the VGG-SS annotation file: {error!r}") from error


def vggss_masks(
    entries: Sequence[VggssEntry], *, rounding: Rounding = "truncate", drop_empty: bool = False
) -> list[Mask]:
    """Ground truth (224, 224) of each entry, the union of its boxes.

    The published code truncates and keeps entries without any box (n = 5,158); they can only score 0. With
    `drop_empty` they are left out (n = 5,156). State both choices beside a figure: they move it by 0.1 point.
    """
    masks = [rasterize(entry.boxes, rounding=rounding) for entry in entries]
    return [mask for mask in masks if mask.any()] if drop_empty else masks
