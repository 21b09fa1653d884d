"""The words in the lane: whether the source is in the picture, and what is heard."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from app.results.lane_layout import LaneLayout
from app.results.model import FrameResults, Heard, Result
from app.results.palette import BACKGROUND, RULE, TEXT, TEXT_DIM, Colour, Palette
from app.results.text import fit, font

UInt8 = npt.NDArray[np.uint8]

_BAR_SHARE = 0.18  # of the width, for the score bars
_BAR_EM = 0.36  # height of a score bar
_DOT_EM = 0.3  # radius of the dot before the presence line
_SCALE = 4  # the dot is drawn larger and reduced, because Pillow draws without anti-aliasing


class Readout:
    """Renders the words for one sample at a time and keeps the last picture."""

    def __init__(self, result: Result, layout: LaneLayout, *, palette: Palette) -> None:
        self._result = result
        self._layout = layout
        self._palette = palette
        self._font = font(layout.font_px)
        self._order = _rank(result.frames)
        self._numbers_px = round(self._font.getlength("0.00"))
        self._shown: int | None = None
        self._image: UInt8 = self._render(None)

    def image(self, index: int | None) -> UInt8:
        """(height, width, 3) uint8 RGB of the layout's readout box for a sample; None if there is none."""
        if index != self._shown:
            self._image = self._render(index)
            self._shown = index
        return self._image

    def _render(self, index: int | None) -> UInt8:
        box = self._layout.readout
        image = Image.new("RGB", (box.width, box.height), BACKGROUND)
        canvas = ImageDraw.Draw(image)
        self._draw_presence(image, canvas, index)
        heard = self._heard(index)
        if not heard:
            nothing = "silence" if self._result.source.has_audio else "no sound track"
            self._draw_text(canvas, nothing, row=1, left=0, right=box.width, colour=TEXT_DIM)
        for row, event in enumerate(heard, start=1):
            self._draw_event(canvas, event, row=row)
        return np.asarray(image)

    def _heard(self, index: int | None) -> list[Heard]:
        """The strongest events, in an order that holds for the whole clip so that rows do not swap."""
        if index is None:
            return []
        strongest = self._result.frames.heard[index][: self._layout.n_names]
        return sorted(strongest, key=lambda event: self._order[event.label])

    def _draw_presence(self, image: Image.Image, canvas: ImageDraw.ImageDraw, index: int | None) -> None:
        presence = None if index is None else float(self._result.frames.presence[index])
        visible = presence is not None and presence >= self._result.thresholds.presence
        colour = self._palette.source if visible else TEXT_DIM
        em, row_px = self._layout.font_px, self._layout.row_px
        radius = _DOT_EM * em
        image.paste(_dot(radius, colour, filled=visible), (0, round(row_px / 2 - radius)))
        words = "visible source" if visible else "no visible source"
        right = image.width - self._numbers_px
        self._draw_text(
            canvas, words, row=0, left=em, right=right - em // 2, colour=TEXT if visible else TEXT_DIM
        )
        if presence is not None:
            self._draw_number(canvas, presence, row=0, colour=TEXT if visible else TEXT_DIM)

    def _draw_event(self, canvas: ImageDraw.ImageDraw, event: Heard, *, row: int) -> None:
        em, row_px, width = self._layout.font_px, self._layout.row_px, self._layout.readout.width
        bar_right = width - self._numbers_px - em // 2
        bar_left = bar_right - round(_BAR_SHARE * width)
        half = _BAR_EM * em / 2
        middle = (row + 0.5) * row_px
        score = min(max(event.score, 0.0), 1.0)
        end = bar_left + score * (bar_right - bar_left)
        canvas.rounded_rectangle((bar_left, middle - half, bar_right, middle + half), radius=half, fill=RULE)
        if end - bar_left >= 2 * half:
            canvas.rounded_rectangle(
                (bar_left, middle - half, end, middle + half), radius=half, fill=self._palette.sound
            )
        self._draw_text(canvas, event.label, row=row, left=0, right=bar_left - em // 2, colour=TEXT)
        self._draw_number(canvas, score, row=row, colour=TEXT_DIM)

    def _draw_text(
        self, canvas: ImageDraw.ImageDraw, text: str, *, row: int, left: int, right: int, colour: Colour
    ) -> None:
        place = (left, (row + 0.5) * self._layout.row_px)
        canvas.text(place, fit(text, self._font, right - left), font=self._font, fill=colour, anchor="lm")

    def _draw_number(self, canvas: ImageDraw.ImageDraw, value: float, *, row: int, colour: Colour) -> None:
        place = (self._layout.readout.width, (row + 0.5) * self._layout.row_px)
        canvas.text(place, f"{value:.2f}", font=self._font, fill=colour, anchor="rm")


def _rank(frames: FrameResults) -> dict[str, int]:
    """Place of every label by the sum of its scores over the clip, the greatest first."""
    total: defaultdict[str, float] = defaultdict(float)
    for heard in frames.heard:
        for event in heard:
            total[event.label] += event.score
    ordered = sorted(total, key=lambda label: (-total[label], label))
    return {label: place for place, label in enumerate(ordered)}


def _dot(radius_px: float, colour: Colour, *, filled: bool) -> Image.Image:
    side = round(2 * radius_px)
    large = Image.new("RGB", (side * _SCALE, side * _SCALE), BACKGROUND)
    edge = side * _SCALE - 1
    ring = max(_SCALE, round(0.3 * radius_px * _SCALE))
    ImageDraw.Draw(large).ellipse(
        (0, 0, edge, edge), fill=colour if filled else None, outline=colour, width=ring
    )
    return large.reduce(_SCALE)
