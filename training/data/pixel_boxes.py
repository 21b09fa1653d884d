"""Box lists published with SSLalignment (Senocak et al.): IS3, AVSBench S4 and MS3, VPO-SS and VPO-MS.

Each is a JSON list of {"image", "audio", "gt_box"}: one source an entry, its box in pixels of 224 x 224.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from training.metrics.masks import SIDE, Mask, rasterize

BOX_SIDE = 224


@dataclass(frozen=True, slots=True)
class BoxList:
    """A published list. `interactive`: pictures hold several sources, each with a sound of its own."""

    name: str
    file: str
    interactive: bool = False


LISTS = (
    BoxList("IS3", "is3_bbox.json", interactive=True),
    BoxList("AVSBench S4", "avs_s4_box.json"),
    BoxList("AVSBench MS3", "avs_ms3_box.json"),
    BoxList("VPO-SS", "vpo_ss_bbox.json"),
    BoxList("VPO-MS", "vpo_ms_bbox.json", interactive=True),
)


@dataclass(frozen=True, slots=True)
class SourceBox:
    """A source: file names without their folders, and its box (4,) float64, normalised xyxy."""

    image: str
    audio: str
    box: npt.NDArray[np.float64]


def read_box_list(path: Path) -> list[SourceBox]:
    """Entries whose box has an area (an all-zero box says that nothing sounds), in the order of the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it does not have the fields of these lists.
    """
    try:
        sources = [
            SourceBox(
                image=PurePosixPath(item["image"]).name,
                audio=PurePosixPath(item["audio"]).name,
                box=np.asarray(item["gt_box"], np.float64).reshape(4) / BOX_SIDE,
            )
            for item in json.loads(path.read_text(encoding="utf-8"))
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a list of boxes: {error!r}") from error
    return [source for source in sources if _mask(source).any()]


def source_masks(sources: Sequence[SourceBox]) -> list[Mask]:
    """(224, 224) mask of each source; its box already lies on whole pixels, so nothing is rounded away."""
    return [_mask(source) for source in sources]


def by_scene(sources: Sequence[SourceBox]) -> list[list[int]]:
    """Indices of the sources of each scene that holds two or more.

    Every source has a copy of the picture of its own, "<scene>_<source>.jpg".
    """
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for index, source in enumerate(sources):
        groups[source.image.rpartition("_")[0]].append(index)
    return [group for group in groups.values() if len(group) > 1]


def _mask(source: SourceBox) -> Mask:
    return rasterize(source.box, rounding="round", side=SIDE)
