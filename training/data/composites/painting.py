"""Painted backdrops: simple scenes, made of noise, gradients and shapes, that differ in style and colour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from training.data.sample_scene import DAYLIGHT, Palette, Picture, blend, fractal, yard

Colour = tuple[int, int, int]
Painter = Callable[[int, np.random.Generator], Picture]


@dataclass(frozen=True, slots=True)
class Style:
    """A painter, where its ground begins, and how bright things are there."""

    paint: Painter
    horizon: float = 0.0
    light: float = 1.0


def _outdoors(side: int, rng: np.random.Generator) -> Picture:
    """Sky, trees and a paved yard in many lights."""
    palette = Palette(
        sky_top=_near(DAYLIGHT.sky_top, rng, 45),
        sky_low=_near(DAYLIGHT.sky_low, rng, 25),
        trees=_near(DAYLIGHT.trees, rng, 30),
        haze=_near(DAYLIGHT.haze, rng, 20),
        paving=_near(DAYLIGHT.paving, rng, 35),
    )
    return yard(side, side, seed=int(rng.integers(2**31)), palette=palette)


def _meadow(side: int, rng: np.random.Generator) -> Picture:
    palette = Palette(
        sky_top=_near((90, 140, 205), rng, 30),
        sky_low=_near((205, 220, 225), rng, 20),
        trees=_near((50, 80, 40), rng, 25),
        haze=_near((140, 160, 140), rng, 20),
        paving=_near((96, 128, 58), rng, 30),
    )
    return yard(side, side, seed=int(rng.integers(2**31)), palette=palette)


def _room(side: int, rng: np.random.Generator) -> Picture:
    """A wall with its paper, a floor of boards, perhaps a window."""
    edge = round(0.62 * side)
    wall, floor = _pastel(rng), _near((140, 100, 66), rng, 45)
    scene = np.empty((side, side, 3), np.float32)
    scene[:edge] = (
        np.asarray(wall, np.float32) * (1 + 0.04 * fractal(side, edge, rng, coarsest=2, octaves=4))[..., None]
    )
    if rng.random() < 0.5:
        stripes = np.sin(np.arange(side) * 2 * np.pi / rng.uniform(18, 70)) > 0
        scene[:edge] *= (1 - 0.09 * stripes)[None, :, None]
    scene[edge:] = _boards(side, side - edge, floor, rng)
    scene[edge - side // 60 : edge] = np.asarray(_near((232, 228, 220), rng, 15), np.float32)
    image = Image.fromarray(scene.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 3))):
        _hang(draw, side, edge, rng)
    return _shaded(_blurred(image, 0.8), rng)


def _boards(width: int, height: int, colour: Colour, rng: np.random.Generator) -> Picture:
    """Floorboards that run towards the horizon."""
    depth = 1 / np.linspace(0.35, 1.0, height)
    across = np.linspace(-0.5, 0.5, width)
    board = np.floor(np.outer(depth, across) * rng.uniform(9, 16)).astype(int) % 64
    tones = 1 + 0.13 * rng.standard_normal(64)
    grain = 1 + 0.05 * fractal(width, height, rng, coarsest=40, octaves=3)
    return np.asarray(colour, np.float32) * (tones[board] * grain)[..., None].astype(np.float32)


def _hang(draw: ImageDraw.ImageDraw, side: int, edge: int, rng: np.random.Generator) -> None:
    """A picture or a window on the wall."""
    width, height = rng.uniform(0.12, 0.3) * side, rng.uniform(0.12, 0.3) * side
    left, top = rng.uniform(0, side - width), rng.uniform(0.04 * side, max(0.05 * side, edge - 1.3 * height))
    frame, inside = _near((110, 84, 60), rng, 60), _near((170, 195, 215), rng, 60)
    rim = side * rng.uniform(0.008, 0.02)
    draw.rectangle((left, top, left + width, top + height), fill=frame)
    draw.rectangle((left + rim, top + rim, left + width - rim, top + height - rim), fill=inside)
    if rng.random() < 0.5:
        middle = left + width / 2
        draw.rectangle((middle - rim / 3, top, middle + rim / 3, top + height), fill=frame)


def _studio(side: int, rng: np.random.Generator) -> Picture:
    """A backdrop of paper with a soft light."""
    bright, dark = _pastel(rng), _near((70, 72, 80), rng, 50)
    down, across = np.mgrid[0:side, 0:side] / side
    away = np.hypot(across - rng.uniform(0.2, 0.8), down - rng.uniform(0.2, 0.7))
    scene = blend(bright, dark, np.clip(away * rng.uniform(0.7, 1.4), 0, 1).astype(np.float32))
    return scene * (1 + 0.015 * fractal(side, side, rng, coarsest=4, octaves=4))[..., None]


def _surface(side: int, rng: np.random.Generator) -> Picture:
    """Stone, plaster, cloth: a texture from edge to edge."""
    first, second = _near((130, 125, 118), rng, 90), _near((130, 125, 118), rng, 90)
    coarsest = int(rng.integers(3, 24))
    texture = fractal(side, side, rng, coarsest=coarsest, octaves=6)
    return (
        blend(first, second, np.clip(0.5 + 0.28 * texture, 0, 1))
        + 3 * fractal(side, side, rng, coarsest=90, octaves=2)[..., None]
    )


def _tiles(side: int, rng: np.random.Generator) -> Picture:
    """Tiles or bricks."""
    rows = int(rng.integers(6, 14))
    high = side // rows
    wide = int(high * rng.choice([1, 1, 2, 2.5]))
    bricks, joint = wide > high, _near((190, 186, 180), rng, 40)
    colour = np.asarray(_near((150, 110, 96) if bricks else (196, 200, 202), rng, 55), np.float32)
    scene = np.full((side, side, 3), joint, np.float32)
    gap = max(2, high // 14)
    for row in range(rows + 1):
        shift = (wide // 2) * (row % 2) if bricks else 0
        for left in range(-shift, side, wide):
            tone = colour * (1 + 0.09 * rng.standard_normal())
            scene[row * high + gap : (row + 1) * high, max(0, left + gap) : max(0, left + wide)] = tone
    scene *= (1 + 0.04 * fractal(side, side, rng, coarsest=30, octaves=4))[..., None]
    return _shaded(_blurred(Image.fromarray(scene.clip(0, 255).astype(np.uint8)), 0.7), rng)


def _night(side: int, rng: np.random.Generator) -> Picture:
    """A street at night: dark sky, blurred lights, wet ground."""
    edge = round(0.55 * side)
    down = np.broadcast_to(np.linspace(0, 1, side, dtype=np.float32)[:, None], (side, side))
    scene = blend(_near((14, 18, 40), rng, 12), _near((52, 46, 60), rng, 15), down)
    scene[edge:] = (
        scene[edge:] * 0.75 + 8 * fractal(side, side - edge, rng, coarsest=20, octaves=4)[..., None]
    )
    lights = Image.new("RGB", (side, side))
    draw = ImageDraw.Draw(lights)
    for _ in range(int(rng.integers(12, 40))):
        x, y, radius = rng.uniform(0, side), rng.uniform(0.15, 1.0) * edge, side * rng.uniform(0.004, 0.025)
        colour = _near((255, 200, 120), rng, 70)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
        low = edge + (edge - y) * 0.6
        draw.ellipse(
            (x - radius, low - 3 * radius, x + radius, low + 3 * radius), fill=tuple(c // 4 for c in colour)
        )
    return scene + 0.8 * _blurred(lights, side / 190)


def _water(side: int, rng: np.random.Generator) -> Picture:
    """A lake or the sea."""
    edge = round(rng.uniform(0.3, 0.45) * side)
    down = np.broadcast_to(np.linspace(0, 1, edge, dtype=np.float32)[:, None], (edge, side))
    deep, near = _near((40, 84, 110), rng, 35), _near((110, 150, 160), rng, 35)
    scene = np.empty((side, side, 3), np.float32)
    scene[:edge] = blend(_near((110, 155, 205), rng, 40), _near((225, 222, 215), rng, 25), down)
    scene[:edge] += 12 * np.clip(fractal(side, edge, rng, coarsest=3, octaves=5), 0, 2)[..., None]
    rows = np.linspace(0.06, 1.0, side - edge) ** 0.8
    waves = fractal(side, 1024, rng, coarsest=30, octaves=5)[(rows * 1023).astype(int)]
    share = np.clip(0.45 + 0.25 * waves, 0, 1).astype(np.float32)
    scene[edge:] = blend(deep, near, share)
    return scene


def _clutter(side: int, rng: np.random.Generator) -> Picture:
    """Blurred blocks of colour, like shelves or a street out of focus."""
    image = Image.new("RGB", (side, side), _near((120, 118, 112), rng, 60))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(25, 70))):
        width, height = rng.uniform(0.03, 0.35, 2) * side
        left, top = rng.uniform(-0.1, 1.0, 2) * side
        shape = draw.rectangle if rng.random() < 0.7 else draw.ellipse
        shape((left, top, left + width, top + height), fill=_near((125, 120, 112), rng, 100))
    soft = _blurred(image, side * rng.uniform(0.004, 0.025))
    return soft * (1 + 0.03 * fractal(side, side, rng, coarsest=30, octaves=4))[..., None]


def _near(colour: Colour, rng: np.random.Generator, spread: float) -> Colour:
    """A colour like the one given: lighter or darker as a whole, and a little in each channel."""
    shift = rng.uniform(-spread, spread) + rng.uniform(-spread / 2, spread / 2, 3)
    red, green, blue = (int(np.clip(value + move, 0, 255)) for value, move in zip(colour, shift, strict=True))
    return red, green, blue


def _pastel(rng: np.random.Generator) -> Colour:
    return _near((205, 198, 186), rng, 50)


def _blurred(image: Image.Image, deviation: float) -> Picture:
    return np.asarray(image.filter(ImageFilter.GaussianBlur(deviation)), np.float32)


def _shaded(scene: Picture, rng: np.random.Generator) -> Picture:
    """Light from one side."""
    side = scene.shape[0]
    fall = np.linspace(rng.uniform(0.75, 1.05), rng.uniform(0.75, 1.05), side, dtype=np.float32)
    return scene * fall[None, :, None]


STYLES: dict[str, Style] = {
    "yard": Style(_outdoors, horizon=0.5),
    "room": Style(_room, horizon=0.66),
    "meadow": Style(_meadow, horizon=0.5),
    "studio": Style(_studio),
    "clutter": Style(_clutter),
    "night": Style(_night, horizon=0.58, light=0.62),
    "surface": Style(_surface),
    "water": Style(_water, horizon=0.42),
    "tiles": Style(_tiles),
}
