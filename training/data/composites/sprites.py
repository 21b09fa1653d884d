"""Cut-out pictures: opened, posed, lit, scaled, and moved over a frame with sub-pixel precision."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter, ImageOps

from training.data.composites.inventory import CompositeError
from training.data.stamps import StampError, rasterise

Frame = npt.NDArray[np.float32]  # (S, S, 3), 0 to 255
Plane = npt.NDArray[np.float32]  # (S, S), 0 to 1

_LONGEST_SIDE = 480  # pixels that an opened picture is kept at
_FAINT = 8  # alpha up to which a pixel is empty
_PAD = 2  # empty pixels around a sprite, so that its edge fades out between pixels


@dataclass(frozen=True, slots=True)
class Look:
    """How an object is lit: all 1 leaves it as it is.

    Attributes:
        brightness: factor on all channels.
        contrast: factor on the distance from middle grey.
        saturation: factor on the distance from the pixel's own grey.
        warmth: factor on red, and its inverse on blue.
    """

    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    warmth: float = 1.0


@dataclass(frozen=True, slots=True)
class Shadow:
    """The shadow of an object: flat on the ground below it, or its shape on a wall behind it.

    Attributes:
        strength: how much it darkens, 0 to 1; 0 is no shadow.
        shift_x, shift_y: in heights of the object.
        blur: deviation in heights of the object.
        flat: on the ground rather than on a wall.
    """

    strength: float = 0.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    blur: float = 0.04
    flat: bool = True


@dataclass(frozen=True, slots=True)
class Spot:
    """Where something is at one moment: centre, size in fractions of the frame, and angle.

    Attributes:
        x, y: of the centre, in fractions of the frame.
        zoom: factor on the size.
        turn_deg: counter-clockwise.
    """

    x: float
    y: float
    zoom: float = 1.0
    turn_deg: float = 0.0


@lru_cache(maxsize=192)
def open_picture(path: Path) -> Image.Image:
    """An RGBA picture trimmed to the object, at most 480 pixels on its longer side.

    Raises:
        CompositeError: it cannot be read, has no transparency, or nothing in it can be seen.
    """
    try:
        picture = rasterise(path, _LONGEST_SIDE) if path.suffix == ".svg" else _read(path)
    except (StampError, OSError, SyntaxError, ValueError) as error:  # SyntaxError: a broken PNG
        if isinstance(error, CompositeError):
            raise
        raise CompositeError(f"{path} cannot be opened as a picture: {error}") from error
    box = picture.getchannel("A").point(lambda alpha: 255 if alpha > _FAINT else 0).getbbox()
    if box is None:
        raise CompositeError(f"{path} shows nothing: every pixel of it is transparent")
    picture = picture.crop(box)
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.LANCZOS)
    return picture


def pose(picture: Image.Image, *, flip: bool, tilt_deg: float) -> Image.Image:
    """Mirrored and tilted, trimmed to what is left."""
    if flip:
        picture = ImageOps.mirror(picture)
    if tilt_deg:
        picture = picture.rotate(tilt_deg, Image.Resampling.BILINEAR, expand=True)
        box = picture.getchannel("A").point(lambda alpha: 255 if alpha > _FAINT else 0).getbbox()
        picture = picture.crop(box) if box else picture
    return picture


class Sprite:
    """A posed picture at the size it has in the frame, ready to be drawn at many places."""

    def __init__(
        self, picture: Image.Image, *, width: float, height: float, look: Look, shadow: Shadow, soft_px: float
    ) -> None:
        """`width` and `height` are in pixels of the frame; `soft_px` is the blur of its edge."""
        self._width, self._height = width, height
        scaled = _padded(picture, width, height).convert("RGBa")
        scaled = scaled.filter(ImageFilter.GaussianBlur(soft_px)) if soft_px else scaled
        self._image = _lit(scaled, look)
        self._shadow = shadow
        self._shade = _shade(picture, width, height, shadow) if shadow.strength else None

    def draw(self, frame: Frame, spot: Spot) -> None:
        """Draw it and its shadow into a frame, in place."""
        if self._shade is not None:
            self._darken(frame, spot)
        placed = _moved(self._image, self._width, self._height, spot, frame.shape[0])
        if placed is None:
            return
        pixels, rows, columns = placed
        region = frame[rows, columns]
        region *= 1 - pixels[..., 3:] * np.float32(1 / 255)
        region += pixels[..., :3]

    def _darken(self, frame: Frame, spot: Spot) -> None:
        assert self._shade is not None
        side, shadow = frame.shape[0], self._shadow
        image, width, height = self._shade
        drop = self._height / 2 if shadow.flat else 0.0  # a flat one lies at the feet
        below = Spot(
            spot.x + shadow.shift_x * self._height * spot.zoom / side,
            spot.y + (shadow.shift_y * self._height + drop) * spot.zoom / side,
            spot.zoom,
            0.0 if shadow.flat else spot.turn_deg,
        )
        placed = _moved(image, width, height, below, side)
        if placed is not None:
            pixels, rows, columns = placed
            frame[rows, columns] *= 1 - pixels[..., None] * np.float32(shadow.strength / 255)


class Stencil:
    """The shape of a posed picture on a canvas, without its colours."""

    def __init__(self, picture: Image.Image, *, width: float, height: float) -> None:
        """`width` and `height` are in pixels of the canvas."""
        self._width, self._height = width, height
        alpha = _padded(picture.getchannel("A"), width, height)
        # What is nowhere opaque (a flame, a glass) counts where it is denser than half its densest.
        densest = max(1, alpha.getextrema()[1])
        self._image = alpha.point(lambda value: min(255, round(value * 255 / densest)))

    @property
    def area(self) -> float:
        """Pixels that it covers where nothing hides it."""
        return float(np.asarray(self._image, np.float32).sum()) / 255

    def cover(self, spot: Spot, side: int) -> Plane:
        """How much of each pixel it covers, (side, side) in [0, 1]."""
        plane = np.zeros((side, side), np.float32)
        placed = _moved(self._image, self._width, self._height, spot, side)
        if placed is not None:
            pixels, rows, columns = placed
            plane[rows, columns] = pixels * np.float32(1 / 255)
        return plane


def _read(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
            raise CompositeError(f"{path} has no transparent background: cut the object out first")
        return picture.convert("RGBA")


def _padded(picture: Image.Image, width: float, height: float) -> Image.Image:
    size = (max(1, round(width)), max(1, round(height)))
    if picture.mode == "RGBA":  # premultiplied while it is scaled, or hidden colours bleed in
        scaled = (
            picture.convert("RGBa").resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0).convert("RGBA")
        )
    else:
        scaled = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return ImageOps.expand(scaled, _PAD, 0)


def _lit(image: Image.Image, look: Look) -> Image.Image:
    """Premultiplied in and out."""
    pixels = np.asarray(image, np.float32)
    colour, alpha = pixels[..., :3], pixels[..., 3:]
    grey = colour.mean(axis=2, keepdims=True)
    colour = grey + (colour - grey) * look.saturation
    middle = alpha * 0.5
    colour = (middle + (colour - middle) * look.contrast) * look.brightness
    colour *= np.array([look.warmth, 1.0, 1 / look.warmth], np.float32)
    done = np.concatenate([np.clip(colour, 0, alpha), alpha], axis=2)
    return Image.merge("RGBa", [Image.fromarray(plane.astype(np.uint8)) for plane in np.moveaxis(done, 2, 0)])


def _shade(
    picture: Image.Image, width: float, height: float, shadow: Shadow
) -> tuple[Image.Image, float, float]:
    """The shadow as a grey picture, and its size in pixels."""
    deviation = max(0.6, shadow.blur * height)
    margin = math.ceil(2.5 * deviation)
    tall = max(2.0, 0.1 * height) if shadow.flat else height
    alpha = picture.getchannel("A").resize(
        (max(1, round(width)), max(1, round(tall))), Image.Resampling.BILINEAR
    )
    soft = ImageOps.expand(alpha, margin, 0).filter(ImageFilter.GaussianBlur(deviation))
    return ImageOps.expand(soft, _PAD, 0), width + 2 * margin, tall + 2 * margin


def _moved(
    image: Image.Image, width: float, height: float, spot: Spot, side: int
) -> tuple[npt.NDArray[np.float32], slice, slice] | None:
    """A padded picture of an object of `width` x `height` pixels put at a spot of a square frame.

    Returns:
        Its pixels inside the frame, 0 to 255, and the rows and columns they belong to; None if it is outside.
    """
    angle = math.radians(spot.turn_deg)
    cos, sin = math.cos(angle), math.sin(angle)
    reach_x = (abs(width * cos) + abs(height * sin)) / 2 * spot.zoom + _PAD
    reach_y = (abs(width * sin) + abs(height * cos)) / 2 * spot.zoom + _PAD
    centre_x, centre_y = spot.x * side, spot.y * side
    left, right = max(0, math.floor(centre_x - reach_x)), min(side, math.ceil(centre_x + reach_x))
    top, bottom = max(0, math.floor(centre_y - reach_y)), min(side, math.ceil(centre_y + reach_y))
    if left >= right or top >= bottom:
        return None
    # From a pixel of the frame back to a pixel of the picture, whose sides were rounded.
    scale_x = (image.width - 2 * _PAD) / (width * spot.zoom)
    scale_y = (image.height - 2 * _PAD) / (height * spot.zoom)
    dx, dy = left - centre_x, top - centre_y
    back = (
        cos * scale_x, -sin * scale_x, image.width / 2 + scale_x * (cos * dx - sin * dy),
        sin * scale_y, cos * scale_y, image.height / 2 + scale_y * (sin * dx + cos * dy),
    )  # fmt: skip
    patch = image.transform(
        (right - left, bottom - top), Image.Transform.AFFINE, back, Image.Resampling.BILINEAR
    )
    return np.asarray(patch, np.float32), slice(top, bottom), slice(left, right)
