"""A contact sheet: one frame of each scene, what sounds outlined, and what is heard written below."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from training.data.composites.scene import Rendering, Scene

_TILE = 224
_CAPTION = 16
_COLUMNS = 6
_MOMENT_FPS = 4.0
_OUTLINE = (255, 40, 200)
_QUALITY = 88


def write_sheet(scenes: Iterable[Scene], path: Path, *, n: int) -> None:
    """Write a sheet of `n` scenes; the picture format follows from the ending of `path`.

    Raises:
        CompositeError: a picture cannot be opened.
        OSError, ValueError: the file cannot be written, or has no ending of a picture format.
    """
    columns = min(_COLUMNS, n)
    rows = -(-n // columns)
    sheet = Image.new("RGB", (columns * _TILE, rows * (_TILE + _CAPTION)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for index, scene in enumerate(scenes):
        left, top = index % columns * _TILE, index // columns * (_TILE + _CAPTION)
        sheet.paste(tile(scene), (left, top))
        draw.text((left + 3, top + _TILE + 1), caption(scene), fill="black", font=font)
    sheet.save(path, quality=_QUALITY)


def tile(scene: Scene) -> Image.Image:
    """The scene at a moment at which as much sounds as ever, with an outline around it."""
    rendering = scene.render(_TILE, _MOMENT_FPS)
    moment = _liveliest(rendering)
    frame = rendering.frames[moment].copy()
    for mask, sounds in zip(rendering.masks[moment], rendering.sounding[moment], strict=True):
        if sounds:
            frame[outline(mask)] = _OUTLINE
    return Image.fromarray(frame)


def outline(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The pixels just outside a mask."""
    wide = Image.fromarray(mask.astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(5))
    return (np.asarray(wide) > 0) & ~mask


def caption(scene: Scene) -> str:
    """What is heard, with a mark for what is not in the picture."""
    heard = " + ".join(scene.facts.labels) or "silence"
    return f"{heard} (not in sight)" if scene.script.situation == "offscreen" else heard


def _liveliest(rendering: Rendering) -> int:
    """The middle one of the moments at which most objects sound."""
    counts = rendering.sounding.sum(axis=1)
    best = np.flatnonzero(counts == counts.max())
    return int(best[len(best) // 2])
