"""Text of the lane: the font, and names cut to the room there is."""

from __future__ import annotations

from functools import lru_cache

from PIL import ImageFont

ELLIPSIS = "\u2026"


@lru_cache(maxsize=16)
def font(size_px: int) -> ImageFont.FreeTypeFont:
    """The scalable font that comes with Pillow."""
    face = ImageFont.load_default(size_px)
    if not isinstance(face, ImageFont.FreeTypeFont):
        raise RuntimeError("this build of Pillow has no FreeType, so it cannot draw text of any size")
    return face


def fit(text: str, face: ImageFont.FreeTypeFont, width_px: float) -> str:
    """The text, or as much of its beginning as fits into the width with an ellipsis."""
    if face.getlength(text) <= width_px:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if face.getlength(text[:middle].rstrip() + ELLIPSIS) <= width_px:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + ELLIPSIS
