"""The strip of the lane that says why: the event of each stretch, and when sound and picture speak for it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from app.results.model import Explanation
from app.results.palette import BACKGROUND, RULE, TEXT, Colour, Palette, mix
from app.results.text import fit, font

_SCALE = 3  # drawn so many times larger and reduced, because Pillow draws without anti-aliasing
_NAME = 0.86  # size of the names against the text
_NAME_ROW = 1.15  # height of their row in units of the text
_GAP_EM = 0.35  # before and after a name
_LEAST_LETTERS = 8  # less of a longer name says nothing
_BAND = 0.35  # strength of the filled band under the curve of the sound

Point = tuple[float, float]


def draw_strip(
    explanations: Iterable[Explanation],
    width: int,
    height: int,
    *,
    font_px: int,
    palette: Palette,
    duration_s: float,
) -> Image.Image:
    """An RGB image of the whole clip.

    In the tone of the sound the weight of its moments, as a band, and in that of the source those of the
    picture, as a thin line, both scaled by their own maximum in each stretch. Where no moment stands out only
    the event is named, where the explanation does not count there is nothing.
    """
    px_per_s = width / duration_s
    top = round(_NAME_ROW * font_px)
    large = Image.new("RGB", (width * _SCALE, height * _SCALE), BACKGROUND)
    canvas = ImageDraw.Draw(large)
    bottom = height - 1
    canvas.rectangle((0, bottom * _SCALE, width * _SCALE, height * _SCALE), fill=RULE)
    counting = [each for each in explanations if each.counts]
    for each in counting:
        left = each.start_s * px_per_s
        if left >= 1:  # a mark where a stretch begins
            canvas.line(_scaled([(left, 0.0), (left, bottom)]), fill=RULE, width=_SCALE)
        if each.reason is None:
            sound = _curve(each, each.when_audio, px_per_s, top, bottom)
            sight = _curve(each, each.when_visual, px_per_s, top, bottom)
            _draw_band(canvas, sound, bottom, palette.sound)
            canvas.line(_scaled(sight), fill=palette.source, width=_SCALE + 1, joint="curve")
    strip = large.reduce(_SCALE)
    for each in counting:
        left, right = each.start_s * px_per_s, each.end_s * px_per_s
        _draw_name(ImageDraw.Draw(strip), each.event.label, left, right, font_px=font_px, middle=top / 2)
    return strip


def _curve(
    explanation: Explanation, weights: npt.NDArray[np.float32], px_per_s: float, top: int, bottom: int
) -> list[Point]:
    """The weights over their stretch; before the first and after the last step theirs hold."""
    times_s = [explanation.start_s, *explanation.time_s.tolist(), explanation.end_s]
    heights = np.pad(weights / weights.max(), 1, mode="edge") * (bottom - top - 1)
    return [
        (time_s * px_per_s, bottom - height) for time_s, height in zip(times_s, heights.tolist(), strict=True)
    ]


def _draw_band(canvas: ImageDraw.ImageDraw, curve: list[Point], bottom: int, colour: Colour) -> None:
    (left, _), (right, _) = curve[0], curve[-1]
    canvas.polygon(_scaled([(left, bottom), *curve, (right, bottom)]), fill=mix(colour, BACKGROUND, _BAND))
    canvas.line(_scaled(curve), fill=colour, width=2 * _SCALE, joint="curve")


def _draw_name(
    canvas: ImageDraw.ImageDraw, label: str, left: float, right: float, *, font_px: int, middle: float
) -> None:
    face, gap = font(round(_NAME * font_px)), _GAP_EM * font_px
    room = right - left - 2 * gap
    name = fit(label, face, room) if room > 0 else ""
    if name == label or len(name) > _LEAST_LETTERS:
        canvas.text((left + gap, middle), name, font=face, fill=TEXT, anchor="lm")


def _scaled(points: list[Point]) -> list[Point]:
    return [(x * _SCALE, y * _SCALE) for x, y in points]
