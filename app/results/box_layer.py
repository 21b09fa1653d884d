"""Boxes around detected objects: bold and coloured where they sound, thin and grey where they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import av
import numpy as np

from app.media.encode import YuvConverter
from app.results.box_tag import TagMaker
from app.results.model import Detection
from app.results.palette import SILENT, Colour, track_colour
from app.results.planes import UInt8, plane_of, scaled, yuv_of
from app.results.tracks import Track

_BOLD_PX_AT_720 = 5.2  # width of the line on a picture whose short side is 720 pixels
_THIN_PX_AT_720 = 1.6
_CASING = np.uint8(120)  # of 255 of the picture is left beside the line, so that it also shows on bright ones
_MOST_TAGS_KEPT = 64


@dataclass(frozen=True, slots=True)
class _Rect:
    """Pixels of the picture; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    def overlaps(self, other: _Rect) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


class BoxLayer:
    """Paints detections onto pictures of one size.

    Args:
        width, height: of the picture in pixels, both even. It lies in the upper left of the frames.
        threshold: probability of sounding from which a box is bold.
        tracks: by their number; a detection whose track is not among them shows its own label.
    """

    def __init__(self, width: int, height: int, *, threshold: float, tracks: Mapping[int, Track]) -> None:
        self._width, self._height = width, height
        self._threshold = threshold
        self._tracks = tracks
        short = min(width, height)
        self._bold_px = max(2, round(_BOLD_PX_AT_720 * short / 720))
        self._thin_px = max(1, round(_THIN_PX_AT_720 * short / 720))
        self._tag_maker = TagMaker(width, height)
        self._tags: dict[tuple[str, str, Colour | None], tuple[UInt8, UInt8, UInt8]] = {}
        self._converter = YuvConverter()

    def paint(self, frame: av.VideoFrame, detections: Sequence[Detection]) -> None:
        """Draw boxes and labels into a yuv420p frame, in place; what sounds lies above what does not."""
        # Ordered by track, so that nothing changes places when scores cross.
        ordered = sorted(detections, key=lambda each: (self._sounds(each), -each.track_id))
        planes = [self._picture(frame, index) for index in range(3)]
        for each in ordered:
            self._outline(planes, self._rect(each), colour=self._colour(each))
        placed: list[tuple[_Rect, tuple[UInt8, UInt8, UInt8]]] = []
        for each in reversed(ordered):
            tag = self._tag(each)
            place = self._place(self._rect(each), tag[0].shape, [rect for rect, _ in placed])
            placed.append((place, tag))
        for place, tag in reversed(placed):
            _stamp(planes, place, tag)

    def _sounds(self, detection: Detection) -> bool:
        return detection.sounding >= self._threshold

    def _colour(self, detection: Detection) -> Colour | None:
        return track_colour(detection.track_id) if self._sounds(detection) else None

    def _picture(self, frame: av.VideoFrame, index: int) -> UInt8:
        step = 2 if index else 1
        return plane_of(frame, index)[: self._height // step, : self._width // step]

    def _rect(self, detection: Detection) -> _Rect:
        """The box in pixels inside the picture, at least two by two."""
        left, top, right, bottom = detection.box
        x0, x1 = _span(left, right, self._width)
        y0, y1 = _span(top, bottom, self._height)
        return _Rect(x0, y0, x1, y1)

    def _outline(self, planes: list[UInt8], rect: _Rect, *, colour: Colour | None) -> None:
        """The line runs inside the box, so that it never leaves the picture, between two dark casings."""
        line_px = self._thin_px if colour is None else self._bold_px
        luma, *chroma = _codes(colour or SILENT)
        casing = self._thin_px
        outer = _Rect(rect.left - casing, rect.top - casing, rect.right + casing, rect.bottom + casing)
        for part in _ring(planes[0], outer, line_px + 2 * casing):
            part[:] = scaled(part, _CASING)
        for part in _ring(planes[0], rect, line_px):
            part[:] = luma
        halved = _Rect(rect.left // 2, rect.top // 2, -(-rect.right // 2), -(-rect.bottom // 2))
        for plane, code in zip(planes[1:], chroma, strict=True):
            for part in _ring(plane, halved, -(-line_px // 2)):
                part[:] = code

    def _tag(self, detection: Detection) -> tuple[UInt8, UInt8, UInt8]:
        colour = self._colour(detection)
        label, track = detection.label, self._tracks.get(detection.track_id)
        if track is not None:
            label = track.called if self._sounds(detection) else track.label
        key = (label, f"{detection.score:.2f}", colour)
        if key not in self._tags:
            if len(self._tags) >= _MOST_TAGS_KEPT:
                self._tags.clear()
            image = np.array(self._tag_maker.make(label, detection.score, colour=colour))
            frame = self._converter.convert(image)
            height, width = image.shape[:2]
            y, u, v = (
                plane_of(frame, index)[: height // step, : width // step].copy()
                for index, step in enumerate((1, 2, 2))
            )
            self._tags[key] = y, u, v
        return self._tags[key]

    def _place(self, box: _Rect, size: tuple[int, ...], taken: list[_Rect]) -> _Rect:
        """Where the label goes: above the box, or else inside, below, where no label lies yet."""
        height, width = size
        left = min(box.left, self._width - width) // 2 * 2
        inside = min(box.top, self._height - height)
        for top in (box.top - height, inside, box.bottom, box.bottom - height):
            top = top // 2 * 2
            place = _Rect(left, top, left + width, top + height)
            fits = top >= 0 and place.bottom <= self._height
            if fits and not any(place.overlaps(other) for other in taken):
                return place
        top = inside // 2 * 2
        return _Rect(left, top, left + width, top + height)


@lru_cache(maxsize=32)
def _codes(colour: Colour) -> tuple[int, int, int]:
    y, u, v = (int(codes[0]) for codes in yuv_of(np.array([colour], np.uint8)))
    return y, u, v


def _span(low: float, high: float, n_pixels: int) -> tuple[int, int]:
    first = min(max(round(low * n_pixels), 0), n_pixels - 2)
    return first, min(max(round(high * n_pixels), first + 2), n_pixels)


def _ring(plane: UInt8, rect: _Rect, width: int) -> list[UInt8]:
    """The four sides of a frame of that width just inside `rect`, without overlap, cut to the plane."""
    rows, columns = plane.shape
    left, top = max(rect.left, 0), max(rect.top, 0)
    right, bottom = min(rect.right, columns), min(rect.bottom, rows)
    below_top = min(max(rect.top + width, top), bottom)
    above_bottom = max(min(rect.bottom - width, bottom), below_top)
    after_left = min(max(rect.left + width, left), right)
    before_right = max(min(rect.right - width, right), after_left)
    return [
        plane[top:below_top, left:right],
        plane[above_bottom:bottom, left:right],
        plane[below_top:above_bottom, left:after_left],
        plane[below_top:above_bottom, before_right:right],
    ]


def _stamp(planes: list[UInt8], place: _Rect, tag: tuple[UInt8, UInt8, UInt8]) -> None:
    for plane, codes, step in zip(planes, tag, (1, 2, 2), strict=True):
        rows, columns = codes.shape
        top, left = place.top // step, place.left // step
        plane[top : top + rows, left : left + columns] = codes
