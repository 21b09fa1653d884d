"""The yuv420p planes that layers paint on: half the bytes of RGB, no conversion on the way to the encoder."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import numpy.typing as npt

from app.media.encode import YuvConverter

UInt8 = npt.NDArray[np.uint8]


def plane_of(frame: av.VideoFrame, index: int) -> UInt8:
    """A writable view of a plane (0 Y, 1 U, 2 V): (rows, line size), which may exceed the picture's width."""
    plane: Any = frame.planes[index]  # a buffer, though PyAV's stubs do not say so
    codes: UInt8 = np.frombuffer(plane, np.uint8)
    return codes.reshape(plane.height, plane.line_size)


def yuv_of(rgb: UInt8) -> tuple[UInt8, UInt8, UInt8]:
    """(N, 3) uint8 RGB colours as the encoder's converter makes them: three arrays (N,) of Y, U and V."""
    image = np.ascontiguousarray(np.repeat(rgb[None], 2, axis=0))
    frame = YuvConverter().convert(image, "yuv444p")
    y, u, v = (plane_of(frame, index)[0, : len(rgb)] for index in range(3))
    return y, u, v


def scaled(values: UInt8 | np.uint8, weight: UInt8 | np.uint8) -> UInt8:
    """values * weight / 255, rounded to nearest without a division."""
    product = np.multiply(values, weight, dtype=np.uint16)
    product += 128
    product += product >> 8
    product >>= 8
    weighted: UInt8 = product.astype(np.uint8)
    return weighted
