"""Box lists published with SSLalignment (Senocak et al.): IS3, AVSBench S4 and MS3, VPO-SS and VPO-MS.

Each is a JSON list of {"image", "audio", "gt_box"}: one source an entry, its box in pixels of 224 x 224.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from training.data.readers.files import read_json
from training.data.readers.reading import DataError
from training.metrics.masks import SIDE, Mask, rasterize

BOX_SIDE = 224


@dataclass(frozen=True, slots=True)
class BoxList:
    """A published list.

    Attributes:
        name: of the data set.
        file: of the list.
        published_file: what its authors call it, if that says less.
        interactive: pictures hold several sources, each with a sound of its own.
    """

    name: str
    file: str
    published_file: str = ""
    interactive: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        """All names it goes by."""
        return tuple(name for name in (self.file, self.published_file) if name)


IS3 = BoxList("IS3", "is3_bbox.json", "synthetic3240_bbox.json", interactive=True)
AVSBENCH_S4 = BoxList("AVSBench S4", "avs_s4_box.json", "s4_box.json")
AVSBENCH_MS3 = BoxList("AVSBench MS3", "avs_ms3_box.json", "ms3_box.json")
VPO_SS = BoxList("VPO-SS", "vpo_ss_bbox.json")
VPO_MS = BoxList("VPO-MS", "vpo_ms_bbox.json", interactive=True)
LISTS = (IS3, AVSBENCH_S4, AVSBENCH_MS3, VPO_SS, VPO_MS)


@dataclass(frozen=True, slots=True)
class SourceBox:
    """A source.

    Attributes:
        image_path, audio_path: as the authors of the list had them.
        box: (4,) float64, normalised xyxy; all zero says that nothing in the picture sounds.
    """

    image_path: PurePosixPath
    audio_path: PurePosixPath
    box: npt.NDArray[np.float64]

    @property
    def image(self) -> str:
        """File name without its folders."""
        return self.image_path.name

    @property
    def audio(self) -> str:
        """File name without its folders."""
        return self.audio_path.name

    @property
    def sounding(self) -> bool:
        """Whether the box has an area."""
        return bool(_mask(self).any())

    @property
    def scene(self) -> str:
        """The picture's name: each of its sources has a copy of its own, "<scene>_<source>.jpg"."""
        return self.image_path.stem.rpartition("_")[0]


def read_box_list(path: Path) -> list[SourceBox]:
    """Entries whose box has an area, in the order of the file; errors as for `read_sources`."""
    return [source for source in read_sources(path) if source.sounding]


def read_sources(path: Path) -> list[SourceBox]:
    """All entries, those with an all-zero box among them, in the order of the file.

    Raises:
        FileNotFoundError: if there is no such file.
        DataError: if it does not have the fields of these lists.
    """
    document = read_json(path)
    try:
        return [
            SourceBox(
                PurePosixPath(item["image"]),
                PurePosixPath(item["audio"]),
                np.asarray(item["gt_box"], np.float64).reshape(4) / BOX_SIDE,
            )
            for item in document
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not a list of boxes: {error!r}") from error


def source_masks(sources: Sequence[SourceBox]) -> list[Mask]:
    """(224, 224) mask of each source; its box already lies on whole pixels, so nothing is rounded away."""
    return [_mask(source) for source in sources]


def by_scene(sources: Sequence[SourceBox]) -> list[list[int]]:
    """Indices of the sources of each scene that holds two or more."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for index, source in enumerate(sources):
        groups[source.scene].append(index)
    return [group for group in groups.values() if len(group) > 1]


def _mask(source: SourceBox) -> Mask:
    return rasterize(source.box, rounding="round", side=SIDE)
