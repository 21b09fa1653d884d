"""From coded to displayed pictures: rotation, mirroring and pixel aspect ratio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame

_MAX_STRETCH = 16.0  # a pixel aspect ratio beyond this is a damaged header
_MATRIX_BYTES = 36


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a coded picture is turned for display: swap the axes first, then mirror."""

    swap: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def rotation_deg(self) -> int:
        """Clockwise; of a mirrored picture, the rotation that comes before the horizontal mirroring."""
        if self.swap:
            return 90 if not self.flip_y else 270
        return 180 if self.flip_y else 0

    def apply(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Turn a (H, W, 3) picture; returns a contiguous array."""
        if self.swap:
            image = image.swapaxes(0, 1)
        if self.flip_x:
            image = image[:, ::-1]
        if self.flip_y:
            image = image[::-1]
        return np.ascontiguousarray(image)


_QUARTER_TURNS = (  # counterclockwise
    Orientation(),
    Orientation(swap=True, flip_y=True),
    Orientation(flip_x=True, flip_y=True),
    Orientation(swap=True, flip_x=True),
)


def orientation_of(frame: VideoFrame) -> Orientation:
    """From the display matrix of a frame; rotations that are no multiple of 90 degrees are rounded to one.

    FFmpeg stores `a b u c d v x y w` in 16.16 fixed point: a point (p, q) is shown at (a p + c q, b p + d q).
    """
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV 18 stumbles over side data that is newer than itself, such as Exif
        return _QUARTER_TURNS[round(frame.rotation / 90) % 4]
    if not isinstance(data, SideData):
        return Orientation()
    raw = bytes(data)
    if len(raw) != _MATRIX_BYTES:
        return Orientation()
    a, b, _, c, d = (int(value) for value in np.frombuffer(raw, np.int32)[:5])
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(swap=True, flip_x=c < 0, flip_y=b < 0)
    return Orientation(flip_x=a < 0, flip_y=d < 0)


def displayed_size(
    width: int, height: int, *, pixel_aspect: float, orientation: Orientation
) -> tuple[int, int]:
    """Width and height in pixels as shown, of a coded picture of `width` x `height`."""
    if 1 / _MAX_STRETCH <= pixel_aspect <= _MAX_STRETCH:
        width = max(1, round(width * pixel_aspect))
    return (height, width) if orientation.swap else (width, height)


def fit_even(width: int, height: int, *, max_side: int) -> tuple[int, int]:
    """The largest even size with this shape, no side longer than `max_side`, that does not enlarge."""
    scale = min(1.0, max_side / max(width, height))
    return _even(width * scale), _even(height * scale)


def _even(side: float) -> int:
    return max(2, int(side + 0.5) // 2 * 2)
