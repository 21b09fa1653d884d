"""What is behind the objects: painted scenes of several styles, or photographs of the user."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from training.data.composites.inventory import CompositeError
from training.data.composites.painting import STYLES
from training.data.composites.splits import SPLITS
from training.data.examples import Split

SIDE = 576
"""Side in pixels of a backdrop. Frames show most of it; the rest is there for the camera to move."""

N_PAINTED = 60
"""Painted backdrops of each split: enough that objects and backdrops rarely meet twice."""

_SEED = 20_240_601


@dataclass(frozen=True, slots=True)
class Backdrop:
    """A painted scene or a photograph.

    Attributes:
        name: style and number, or the file's name.
        source: photograph; None for a painted one.
        style: key of `painting.STYLES`.
        seed: of the painted scene.
        flip: mirrored.
    """

    name: str
    source: Path | None = None
    style: str = ""
    seed: tuple[int, ...] = ()
    flip: bool = False

    @property
    def horizon(self) -> float:
        """How far down the ground begins, as a fraction of the frame."""
        return 0.45 if self.source else STYLES[self.style].horizon

    @property
    def light(self) -> float:
        """How bright things are there, 1 by day."""
        return 1.0 if self.source else STYLES[self.style].light

    def picture(self) -> Image.Image:
        """RGB, `SIDE` x `SIDE`: the scene squashed to a square, as the service squashes a frame.

        Raises:
            CompositeError: the photograph cannot be opened.
        """
        drawn = _photo(self.source) if self.source else _painted(self.style, self.seed)
        return ImageOps.mirror(drawn) if self.flip else drawn


def draw_backdrop(rng: np.random.Generator, split: Split, photos: tuple[Path, ...]) -> Backdrop:
    """One of the photographs, or a painted one of the split's own."""
    flip = bool(rng.random() < 0.5)
    if photos:
        photo = photos[int(rng.integers(len(photos)))]
        return Backdrop(photo.name, source=photo, flip=flip)
    number = int(rng.integers(N_PAINTED))
    style = list(STYLES)[number % len(STYLES)]
    return Backdrop(f"{style}-{number}", style=style, seed=(_SEED, SPLITS.index(split), number), flip=flip)


@lru_cache(maxsize=N_PAINTED)
def _painted(style: str, seed: tuple[int, ...]) -> Image.Image:
    scene: npt.NDArray[np.float32] = STYLES[style].paint(SIDE, np.random.default_rng(seed))
    return Image.fromarray(scene.clip(0, 255).astype(np.uint8))


@lru_cache(maxsize=N_PAINTED)
def _photo(path: Path) -> Image.Image:
    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened) or opened
            return upright.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    except (OSError, SyntaxError, ValueError) as error:
        raise CompositeError(f"{path} cannot be opened as a picture: {error}") from error
