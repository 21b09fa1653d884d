"""Colour over the places that sound: the heatmap blended into the encoder's own pixels.

The opacity of the colour is the calibrated value itself, never stretched per frame, so silence shows
nothing at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import av
import cmap
import numpy as np
import numpy.typing as npt
from PIL import Image

from app.results.planes import UInt8, plane_of, scaled, yuv_of

Float = npt.NDArray[np.float32]
Index = npt.NDArray[np.intp]

_FLOOR = 0.04  # below this no colour: keeps the faint ripple of bicubic interpolation out of the picture
_REACH_CELLS = 2  # how far bicubic interpolation carries a cell's value
_FLAT_PER_CELL = 0.03  # on slopes gentler than this the contour fades; on a plateau it would flood the area
_LINE_PX_AT_720 = 1.5  # half width of the contour on a picture whose short side is 720 pixels
_SHADOW = 0.45  # darkness beside the contour, so that it also shows on a bright picture
_SHADOW_WIDTH = 3.5  # reach of that shadow, in half widths of the line
_CONTOUR_CODES = ((16, 235), (128, 128), (128, 128))  # shadow black, line white: limited-range Y, U, V


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the picture in pixels; all four are even because chroma has half the resolution."""

    top: int
    bottom: int
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class Contour:
    """The pixels on or beside the contour: their row-major index (P,) in a region `width` pixels wide, and
    how much of each (0 to 255) the line and the shadow cover."""

    width: int
    index: Index
    line: UInt8
    shadow: UInt8

    def halved(self) -> Contour:
        """The same for a chroma plane, which has one pixel for two by two of these."""
        rows, columns = np.divmod(self.index, self.width)
        kept = (rows | columns) & 1 == 0
        index = rows[kept] // 2 * (self.width // 2) + columns[kept] // 2
        return Contour(self.width // 2, index, self.line[kept], self.shadow[kept])


class HeatLayer:
    """Paints heatmaps onto pictures of one size.

    Args:
        width, height: of the picture in pixels, both even. It lies in the upper left of the frames.
        colormap: name that the `cmap` package knows.
        opacity: of the colour where the heatmap is 1, in [0, 1].
        threshold: value along which the contour runs.

    Raises:
        ValueError: no such colour map.
    """

    def __init__(self, width: int, height: int, *, colormap: str, opacity: float, threshold: float) -> None:
        self._width, self._height = width, height
        self._threshold = threshold
        self._line_px = max(0.7, _LINE_PX_AT_720 * min(width, height) / 720)
        value = np.arange(256) / 255
        alpha = opacity * np.clip((value - _FLOOR) / (1 - _FLOOR), 0, 1)
        self._alpha = np.rint(255 * alpha).astype(np.uint8)
        self._premultiplied = tuple(
            np.rint(plane * alpha).astype(np.uint8) for plane in yuv_of(colormap_rgb(colormap))
        )

    def paint(self, frame: av.VideoFrame, heatmap: Float) -> None:
        """Blend a (G, G) heatmap with values in [0, 1] into a yuv420p frame, in place."""
        region = self._region(heatmap)
        if region is None:
            return
        values = self._upsample(heatmap, region)
        levels = np.rint(values * 255).astype(np.uint8)
        contour = self._contour(values, levels, cell_px=self._cell_px(heatmap))
        self._paint_plane(frame, 0, region, step=1, levels=levels, contour=contour)
        levels = np.ascontiguousarray(levels[::2, ::2])
        contour = contour.halved()
        for index in (1, 2):
            self._paint_plane(frame, index, region, step=2, levels=levels, contour=contour)

    def _paint_plane(
        self, frame: av.VideoFrame, index: int, region: Region, *, step: int, levels: UInt8, contour: Contour
    ) -> None:
        alpha, colour = np.take(self._alpha, levels), np.take(self._premultiplied[index], levels)
        _draw_contour(contour, alpha.reshape(-1), colour.reshape(-1), codes=_CONTOUR_CODES[index])
        plane = plane_of(frame, index)
        part = plane[region.top // step : region.bottom // step, region.left // step : region.right // step]
        part[:] = scaled(part, 255 - alpha) + colour

    def _region(self, heatmap: Float) -> Region | None:
        """The pixels that the cells above the floor can reach; None when no cell is."""
        lit = heatmap > _FLOOR
        rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
        if not len(rows):
            return None
        top, bottom = _pixels(rows, heatmap.shape[0], self._height)
        left, right = _pixels(columns, heatmap.shape[1], self._width)
        return Region(top, bottom, left, right)

    def _cell_px(self, heatmap: Float) -> float:
        """The shorter side of a cell: slopes are steepest along it."""
        rows, columns = heatmap.shape
        return float(min(self._height / rows, self._width / columns))

    def _upsample(self, heatmap: Float, region: Region) -> Float:
        rows, columns = heatmap.shape
        box = (
            region.left * columns / self._width,
            region.top * rows / self._height,
            region.right * columns / self._width,
            region.bottom * rows / self._height,
        )
        size = (region.right - region.left, region.bottom - region.top)
        image = Image.fromarray(np.ascontiguousarray(heatmap, np.float32))
        smooth: Float = np.asarray(image.resize(size, Image.Resampling.BICUBIC, box=box))
        return np.clip(smooth, 0, 1)

    def _contour(self, values: Float, levels: UInt8, *, cell_px: float) -> Contour:
        """Where the contour runs; empty when the heatmap does not cross the threshold.

        The distance to the contour in pixels is, to first order, the distance in value over the slope. It is
        worked out only where a slope as steep as one per cell could still reach the contour.
        """
        reach_px = _SHADOW_WIDTH * self._line_px
        near, threshold = 255 * reach_px / cell_px, 255 * self._threshold
        band = (levels >= max(0, round(threshold - near))) & (levels <= min(255, round(threshold + near)))
        index = np.flatnonzero(band)
        slope = _slope(values, index)
        distance = np.abs(values.reshape(-1)[index] - self._threshold) / np.maximum(slope, 1e-6)
        close = distance < reach_px
        index, distance, slope = index[close], distance[close], slope[close]
        strength = 255 * np.minimum(slope * cell_px / _FLAT_PER_CELL, 1)
        line = strength * np.clip(self._line_px + 0.5 - distance, 0, 1)
        shadow = _SHADOW * strength * (1 - distance / reach_px)
        return Contour(values.shape[1], index, line.astype(np.uint8), shadow.astype(np.uint8))


def colormap_rgb(name: str) -> UInt8:
    """(256, 3) uint8 RGB of a colour map. Raises ValueError if there is none of that name."""
    rgba: npt.NDArray[np.float64] = cmap.Colormap(name).lut(256)
    return np.rint(rgba[:, :3] * 255).astype(np.uint8)


def _pixels(cells: npt.NDArray[np.intp], n_cells: int, n_pixels: int) -> tuple[int, int]:
    first = max(0, int(cells[0]) - _REACH_CELLS) * n_pixels // n_cells
    last = -(-min(n_cells, int(cells[-1]) + 1 + _REACH_CELLS) * n_pixels // n_cells)
    return first // 2 * 2, min(n_pixels, (last + 1) // 2 * 2)


def _slope(values: Float, index: Index) -> Float:
    """Length of the gradient, per pixel, at some pixels given by their row-major index."""
    flat, (height, width) = values.reshape(-1), values.shape
    columns = index % width
    before, after = index - (columns > 0), index + (columns < width - 1)
    above = np.where(index >= width, index - width, index)
    below = np.where(index < (height - 1) * width, index + width, index)
    # At the border the difference spans one pixel instead of two; half the slope does no harm there.
    slope: Float = np.hypot(flat[after] - flat[before], flat[below] - flat[above]) / 2
    return slope


def _draw_contour(contour: Contour, alpha: UInt8, colour: UInt8, *, codes: tuple[int, int]) -> None:
    """Lay shadow and line over a premultiplied layer of flat planes, in place."""
    there = contour.index
    for code, cover in zip(codes, (contour.shadow, contour.line), strict=True):
        colour[there] = scaled(colour[there], 255 - cover) + scaled(np.uint8(code), cover)
        alpha[there] = scaled(alpha[there], 255 - cover) + cover
