"""Pictures of a folder with a sub-folder for each class, as squares of the same size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset

from training.loop.errors import LoopError
from training.loop.seeding import mixed

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_VALIDATION = 10  # every tenth picture, on average
# What Pillow raises for files that are no picture, are cut short, or would fill the memory.
_BROKEN = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class PictureBatch(TypedDict):
    """`picture` (B, 3, S, S) uint8 RGB; `label`, the class, and `index`, the picture, are (B,) int64."""

    picture: Tensor
    label: Tensor
    index: Tensor


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture: where it is, and the number of its class."""

    path: Path
    label: int


class Folder(NamedTuple):
    """Pictures to train on and to validate by, names of the classes, and which files are broken, and why."""

    train: list[PictureFile]
    val: list[PictureFile]
    classes: tuple[str, ...]
    broken: list[str]


class Pictures(Dataset[PictureBatch]):
    """Pictures, decoded when they are asked for."""

    def __init__(self, files: Sequence[PictureFile], *, side: int) -> None:
        self._files, self._side = files, side

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> PictureBatch:
        file = self._files[index]
        return {
            "picture": read_picture(file.path, side=self._side),
            "label": torch.tensor(file.label),
            "index": torch.tensor(index),
        }

    @property
    def labels(self) -> Tensor:
        """(N,) int64."""
        return torch.tensor([file.label for file in self._files])


def read_folder(folder: Path, *, side: int) -> Folder:
    """Find the pictures of a folder, and decode each of them once to see whether it can be.

    Which are for validation, about a tenth, depends on the name of each picture and its class only, so it
    stays as it is when others are added.

    Raises:
        LoopError: there is nothing to train on, or fewer than two pictures to validate by.
    """
    there = (path for path in folder.glob("*/*") if path.suffix.lower() in SUFFIXES)
    paths = sorted(path for path in there if path.is_file())
    if not paths:
        raise LoopError(f"{folder} has no picture in a sub-folder: it needs one for each class")
    faults = list(_faults(paths, side=side))
    whole = [path for path, fault in zip(paths, faults, strict=True) if fault is None]
    classes = tuple(sorted({path.parent.name for path in whole}))
    labels = {name: label for label, name in enumerate(classes)}
    files = [PictureFile(path, labels[path.parent.name]) for path in whole]
    train = [file for file in files if not _for_validation(file.path)]
    val = [file for file in files if _for_validation(file.path)]
    if not train or len(val) < 2:
        raise LoopError(
            f"{folder} has {len(files)} pictures that can be read, {len(val)} of them for validation:"
            " they are too few"
        )
    return Folder(train, val, classes, [fault for fault in faults if fault is not None])


def read_picture(path: Path, *, side: int) -> Tensor:
    """The middle of a picture, scaled to (3, side, side) uint8 RGB. Raises what Pillow does."""
    with Image.open(path) as image:
        image.draft("RGB", (side, side))  # a JPEG need not be decoded larger than that
        square = ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1).contiguous()


def central(pictures: Tensor, size: int) -> Tensor:
    """The middle (..., size, size) of pictures (..., S, S)."""
    first = (pictures.shape[-1] - size) // 2
    return pictures[..., first : first + size, first : first + size]


def _for_validation(path: Path) -> bool:
    return mixed(path.parent.name, path.name) % _VALIDATION == 0


def _faults(paths: Sequence[Path], *, side: int) -> Iterator[str | None]:
    """Of each file what is wrong with it. Over ImageNet it takes as long as an epoch, of 240."""

    def fault(path: Path) -> str | None:
        try:
            read_picture(path, side=side)
        except _BROKEN as error:
            return f"{path.parent.name}/{path.name}: {error}"
        return None

    with ThreadPoolExecutor() as pool:  # Pillow decodes without holding Python's lock
        yield from pool.map(fault, paths)
