"""Where things go in the lane below the picture, from tiny square clips to wide ones."""

from __future__ import annotations

from dataclasses import dataclass

_FONT_PX_AT_720 = 17  # on a picture whose short side is 720 pixels
_FONT_PX_RANGE = (12, 40)
_WIDE_FROM_EM = 38  # a narrower lane stacks the readout above the plot instead of beside it
_WHY_EM = 3.8  # height of the explanations: a line of names and the curves below it
_CAPTIONS_FROM_EM = 56  # a narrower lane has no room for captions beside the curves


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the lane; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class LaneLayout:
    """Sizes of one lane in pixels.

    Attributes:
        width, height: of the lane, both even.
        font_px, row_px: text size and the height of a line of text.
        wave, presence: the two curves; they share left and right, so one time scale.
        why: room for explanations below them, on the same scale; None if there are none.
        captions: room for the curves' names, left of them; None where there is too little.
        readout: the text; its first line is the presence, the others one sound each.
        n_names: how many sounds there is room for.
    """

    width: int
    height: int
    font_px: int
    row_px: int
    wave: Box
    presence: Box
    why: Box | None
    captions: Box | None
    readout: Box
    n_names: int


def lay_out(width: int, height: int, *, explained: bool = False) -> LaneLayout:
    """The lane below a picture of this size, with room for explanations or without; `width` is even."""
    low, high = _FONT_PX_RANGE
    font_px = min(high, max(low, round(_FONT_PX_AT_720 * min(width, height) / 720)))
    why_px = round(_WHY_EM * font_px) if explained else 0
    place = _beside if width >= _WIDE_FROM_EM * font_px else _stacked
    return place(width, font_px, why_px)


def _beside(width: int, font_px: int, why_px: int) -> LaneLayout:
    n_names = 3
    row_px, pad = round(1.4 * font_px), round(0.7 * font_px)
    height = _even((n_names + 1) * row_px + 2 * pad + why_px)
    readout_width = round(min(max(0.38 * width, 17 * font_px), 24 * font_px))
    readout = Box(width - pad - readout_width, pad, width - pad, height - pad)
    left = pad
    captions = None
    if width >= _CAPTIONS_FROM_EM * font_px:
        captions = Box(pad, pad, pad + round(3.4 * font_px), height - pad)
        left = captions.right + pad
    curves = _split(Box(left, pad, readout.left - 2 * pad, height - pad), why_px)
    return LaneLayout(width, height, font_px, row_px, *curves, captions, readout, n_names)


def _stacked(width: int, font_px: int, why_px: int) -> LaneLayout:
    n_names = 2
    row_px, pad = round(1.35 * font_px), min(round(0.6 * font_px), width // 4)  # a picture may be a line
    readout = Box(pad, pad, width - pad, pad + (n_names + 1) * row_px)
    plot_top = readout.bottom + pad // 2
    height = _even(plot_top + 3 * font_px + pad + why_px)
    curves = _split(Box(pad, plot_top, width - pad, height - pad), why_px)
    return LaneLayout(width, height, font_px, row_px, *curves, None, readout, n_names)


def _split(plot: Box, why_px: int) -> tuple[Box, Box, Box | None]:
    """Room for waveform, presence and, in the lowest `why_px`, explanations."""
    bottom = plot.bottom - why_px
    gap = max(2, round(0.07 * (bottom - plot.top)))
    middle = plot.top + round(0.58 * (bottom - plot.top))
    wave = Box(plot.left, plot.top, plot.right, middle)
    presence = Box(plot.left, middle + gap, plot.right, bottom)
    return wave, presence, Box(plot.left, bottom + gap, plot.right, plot.bottom) if why_px else None


def _even(n: int) -> int:
    return n + n % 2
