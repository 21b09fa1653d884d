"""A photo-like outdoor scene, computed: sky, a line of trees, a paved yard; and cut-outs that stand in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter
from scipy.ndimage import map_coordinates

Picture = npt.NDArray[np.float32]  # (H, W, 3), 0 to 255

_HORIZON = 0.46  # height of the horizon as a fraction of the picture, from the top
_GRAIN = 2.5  # standard deviation of the film grain, in grey levels


Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of the scene, RGB."""

    sky_top: Colour
    sky_low: Colour
    trees: Colour
    haze: Colour
    paving: Colour


DAYLIGHT = Palette(
    sky_top=(104, 150, 203),
    sky_low=(222, 226, 224),
    trees=(58, 78, 50),
    haze=(150, 165, 160),
    paving=(148, 142, 133),
)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a cut-out stands, in fractions of the frame.

    Attributes:
        centre_x, foot_y: middle and lowest point of the object.
        height: of the object after rotation.
        tilt_deg: counter-clockwise.
    """

    centre_x: float
    foot_y: float
    height: float
    tilt_deg: float = 0.0


def yard(width: int, height: int, *, seed: int = 7, palette: Palette = DAYLIGHT) -> Picture:
    """The empty scene, (height, width, 3) float32 in 0 to 255."""
    rng = np.random.default_rng(seed)
    horizon = round(_HORIZON * height)
    scene = np.empty((height, width, 3), np.float32)
    scene[:horizon] = _sky(width, horizon, rng, palette)
    scene[horizon:] = _ground(width, height - horizon, rng, palette)
    _plant_trees(scene, horizon, rng, palette)
    soft = Image.fromarray(scene.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1.2))
    across, down = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    vignette = 1 - 0.16 * (across**2 + down**2) / 2
    return np.asarray(soft, np.float32) * vignette[..., None].astype(np.float32)


def upright(stamp: Image.Image, placement: Placement, *, frame_height: int) -> Image.Image:
    """The cut-out tilted, trimmed and scaled to its height in the frame, with a soft edge."""
    tilted = stamp.rotate(placement.tilt_deg, Image.Resampling.BICUBIC, expand=True)
    tilted = tilted.crop(tilted.getchannel("A").point(lambda alpha: 255 if alpha > 8 else 0).getbbox())
    height = placement.height * frame_height
    size = (round(height * tilted.width / tilted.height), round(height))
    return tilted.resize(size, Image.Resampling.LANCZOS).filter(ImageFilter.GaussianBlur(0.45))


def stand(scene: Picture, cutout: Image.Image, *, centre_x: float, foot_y: float) -> None:
    """Draw the cut-out and its shadow into the scene, in place; coordinates in pixels, sub-pixel."""
    height, width = scene.shape[:2]
    layer = _shifted(cutout, (width, height), centre_x - cutout.width / 2, foot_y - cutout.height)
    colour = np.asarray(layer.convert("RGB"), np.float32)
    opacity = np.asarray(layer.getchannel("A"), np.float32)[..., None] / 255
    scene *= 1 - 0.55 * _foot_shadow(opacity[..., 0], foot_y)[..., None]
    scene[:] = scene * (1 - opacity) + colour * 0.94 * opacity


def with_grain(scene: Picture, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """The finished uint8 frame with film grain."""
    grain = rng.normal(0, _GRAIN, scene.shape[:2]).astype(np.float32)
    return np.ascontiguousarray((scene + grain[..., None]).clip(0, 255).astype(np.uint8))


def _shifted(cutout: Image.Image, size: tuple[int, int], left: float, top: float) -> Image.Image:
    premultiplied = cutout.convert("RGBa")  # or the colour below transparent pixels bleeds into the edge
    moved = premultiplied.transform(
        size, Image.Transform.AFFINE, (1, 0, -left, 0, 1, -top), Image.Resampling.BILINEAR
    )
    return moved.convert("RGBA")


def _foot_shadow(opacity: Picture, foot_y: float) -> Picture:
    """What stands above flattened onto the ground and blurred, (H, W) in [0, 1]."""
    columns = opacity[max(0, int(foot_y) - opacity.shape[0] // 6) :].max(0)
    rows = np.exp(-0.5 * ((np.arange(opacity.shape[0]) - foot_y) / 5) ** 2)
    flat = Image.fromarray((255 * rows[:, None] * columns[None]).clip(0, 255).astype(np.uint8))
    return np.asarray(flat.filter(ImageFilter.GaussianBlur(6)), np.float32) / 255


def fractal(width: int, height: int, rng: np.random.Generator, *, coarsest: int, octaves: int) -> Picture:
    """Noise with detail at every scale, (height, width) with mean 0 and deviation 1."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        cells = coarsest * 2**octave
        grid = rng.standard_normal((max(2, cells * height // width), cells)).astype(np.float32)
        total += (
            np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)) * 0.55**octave
        )
    return (total - total.mean()) / total.std()


def blend(low: Colour, high: Colour, share: Picture) -> Picture:
    """From one colour to another by a share (H, W) in [0, 1]."""
    share = share[..., None]
    return np.asarray(low, np.float32) * (1 - share) + np.asarray(high, np.float32) * share


def _sky(width: int, height: int, rng: np.random.Generator, palette: Palette) -> Picture:
    descent = np.broadcast_to(np.linspace(0, 1, height, dtype=np.float32)[:, None], (height, width))
    clouds = np.clip(fractal(width, height, rng, coarsest=3, octaves=6) * 0.35 + 0.1, 0, 0.8)
    sky = blend(palette.sky_top, palette.sky_low, descent)
    return sky * (1 - clouds[..., None]) + 238 * clouds[..., None]


def _ground(width: int, height: int, rng: np.random.Generator, palette: Palette) -> Picture:
    texture = fractal(1024, 1024, rng, coarsest=16, octaves=6)
    # Perspective: a row y below the horizon shows ground at distance 1 / y, as wide as it is far.
    distance = 1 / np.linspace(0.12, 1.0, height)
    across = np.linspace(-0.5, 0.5, width)
    u = (np.outer(distance, across) * 500 + 512) % 1024
    v = np.broadcast_to((distance * 420)[:, None], u.shape) % 1024
    grain = map_coordinates(texture, [v, u], order=1, mode="wrap").astype(np.float32)
    nearness = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    tone = 1 + grain * (0.03 + 0.06 * nearness) + 0.05 * fractal(width, height, rng, coarsest=3, octaves=3)
    haze = np.broadcast_to((1 - nearness) ** 6, (height, width)) * 0.5
    return blend(palette.paving, palette.haze, haze) * tone[..., None]


def _plant_trees(scene: Picture, horizon: int, rng: np.random.Generator, palette: Palette) -> None:
    height, width = scene.shape[:2]
    crowns = np.abs(fractal(width, 8, rng, coarsest=7, octaves=5)[0])
    tops = horizon - (0.05 + 0.06 * crowns) * height
    rows = np.arange(height)[:, None]
    inside = np.clip(rows - tops[None], 0, 1) * (rows < horizon + 2)
    leaves = 1 + 0.22 * fractal(width, height, rng, coarsest=24, octaves=5)
    trees = blend(palette.trees, palette.haze, np.full((height, width), 0.25, np.float32)) * leaves[..., None]
    scene[:] = scene * (1 - inside[..., None]) + trees * inside[..., None]
