"""The labels of boxes: small signs in the colour of the track, with a speaker where it sounds."""

from __future__ import annotations

import math

from PIL import Image, ImageDraw

from app.results.palette import BACKGROUND, SILENT, Colour, mix
from app.results.text import fit, font

_FONT_PX_AT_720 = 19  # on a picture whose short side is 720 pixels
_FONT_PX_RANGE = (11, 44)
_SILENT_SIZE = 0.85  # size of what does not sound against what does
_PAD_EM = 0.4  # left and right of the text
_HEIGHT_EM = 1.45
_SPEAKER_EM = 1.0
_WIDEST = 0.5  # share of the picture's width that a sign may take
_SCALE = 4  # the speaker is drawn larger and reduced, because Pillow draws without anti-aliasing

# Corners of the speaker in units of its size, and the two arcs of sound: radius, around its mouth.
_CONE = ((0.04, 0.36), (0.22, 0.36), (0.46, 0.14), (0.46, 0.86), (0.22, 0.64), (0.04, 0.64))
_ARCS = (0.2, 0.4)
_ARC_WIDTH = 0.09


class TagMaker:
    """Makes the signs for pictures of one size.

    Args:
        width, height: of the picture in pixels, both even; a sign takes half the width at most.
    """

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        low, high = _FONT_PX_RANGE
        self._font_px = min(high, max(low, round(_FONT_PX_AT_720 * min(width, height) / 720)))

    def make(self, label: str, score: float, *, colour: Colour | None) -> Image.Image:
        """An RGB image of even size with name and score.

        Args:
            colour: of the track, if it sounds; None for the plain sign of what does not.
        """
        em = self._font_px if colour else max(_FONT_PX_RANGE[0], round(_SILENT_SIZE * self._font_px))
        face, pad = font(em), round(_PAD_EM * em)
        icon = round(_SPEAKER_EM * em) if colour else 0
        left = pad + (icon + pad // 2 if colour else 0)
        number = f" {score:.2f}"
        room = _WIDEST * self._width - left - pad - face.getlength(number)
        text = (fit(label, face, room) if room > 0 else "") + number
        width = min(self._width, _even(left + face.getlength(text) + pad))
        height = min(self._height, _even(_HEIGHT_EM * em))
        ground, ink = (colour, BACKGROUND) if colour else (mix(SILENT, BACKGROUND, 0.15), SILENT)
        image = Image.new("RGB", (width, height), ground)
        if colour:
            image.paste(ink, (pad, (height - icon) // 2), _speaker(icon))
        ImageDraw.Draw(image).text((left, height / 2), text, font=face, fill=ink, anchor="lm")
        return image


def _speaker(size_px: int) -> Image.Image:
    """A mask of a loudspeaker."""
    side = size_px * _SCALE
    large = Image.new("L", (side, side))
    canvas = ImageDraw.Draw(large)
    canvas.polygon([(x * side, y * side) for x, y in _CONE], fill=255)
    for radius in _ARCS:
        middle, reach = 0.56 * side, radius * side
        canvas.arc(
            (middle - reach, side / 2 - reach, middle + reach, side / 2 + reach),
            start=-48,
            end=48,
            fill=255,
            width=round(_ARC_WIDTH * side),
        )
    return large.reduce(_SCALE)


def _even(n: float) -> int:
    return 2 * math.ceil(n / 2)
