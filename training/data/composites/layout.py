"""Where everything stands, how it is lit and how it moves: drawn so that what can sound stays visible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from training.data.composites.backdrops import Backdrop
from training.data.composites.cast import Role
from training.data.composites.sprites import Look, Plane, Shadow, Spot, Stencil, open_picture, pose

ASPECTS = (16 / 9, 16 / 9, 4 / 3, 1.0, 9 / 16)
"""Shapes of the frames that are squashed to a square."""

_TRIES = 40
_CHECK_SIDE = 64  # pixels of the canvas on which visibility is measured
_CHECKED = (0.05, 0.5, 0.95)  # moments, as fractions of the scene
_CAPABLE_VISIBLE, _SILENT_VISIBLE = (
    0.75,
    0.45,
)  # least share of an object that is in the frame and not covered
_SMALLEST, _LARGEST = 0.12, 0.75  # square root of the area of an object's box
_SHARPEST = 2.4  # a picture is not enlarged more than this in a frame of `_REFERENCE` pixels
_REFERENCE = 448


@dataclass(frozen=True, slots=True)
class Motion:
    """How an object moves: it sways, and it drifts across the frame; lengths are fractions of the frame."""

    sway_x: float = 0.0
    sway_y: float = 0.0
    drift_x: float = 0.0
    drift_y: float = 0.0
    turn_deg: float = 0.0
    rate_hz: float = 0.3
    phase: float = 0.0


@dataclass(frozen=True, slots=True)
class Camera:
    """How the camera pans and zooms."""

    pan_x: float = 0.0
    pan_y: float = 0.0
    zoom: float = 0.0
    rate_hz: float = 0.15
    phase: float = 0.0

    def pan(self, time_s: float) -> tuple[float, float]:
        """Where it points, in fractions of the frame from the middle."""
        swing = math.sin(2 * math.pi * self.rate_hz * time_s + self.phase)
        return self.pan_x * swing, self.pan_y * swing

    def magnification(self, time_s: float, duration_s: float) -> float:
        return 1 + self.zoom * time_s / duration_s


@dataclass(frozen=True, slots=True)
class Layer:
    """One object with its place; later layers cover earlier ones.

    Attributes:
        role: index of the object in the script.
        x, y: of its centre at rest; width, height: of its box; all in fractions of the frame.
        look, shadow, soft: how it is drawn; `soft` is the blur of its edge in fractions of the frame.
        motion: of the object itself.
        parallax: how much more than the background it moves with the camera.
    """

    role: int
    x: float
    y: float
    width: float
    height: float
    look: Look
    shadow: Shadow
    soft: float
    motion: Motion
    parallax: float

    def spot(self, camera: Camera, time_s: float, duration_s: float) -> Spot:
        """Where it is at a time."""
        motion, zoom = self.motion, camera.magnification(time_s, duration_s)
        swing = math.sin(2 * math.pi * motion.rate_hz * time_s + motion.phase)
        past = time_s / duration_s - 0.5
        pan_x, pan_y = camera.pan(time_s)
        return Spot(
            x=0.5
            + (self.x + motion.sway_x * swing + motion.drift_x * past - 0.5) * zoom
            - pan_x * self.parallax,
            y=0.5
            + (self.y + motion.sway_y * swing + motion.drift_y * past - 0.5) * zoom
            - pan_y * self.parallax,
            zoom=zoom,
            turn_deg=motion.turn_deg * swing,
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is.

    Attributes:
        aspect: width by height of the frame before it is squashed to a square.
        camera: see there.
        pictures: of the objects of the script, posed.
        layers: from back to front.
        duration_s: of the scene.
    """

    aspect: float
    camera: Camera
    pictures: tuple[Image.Image, ...]
    layers: tuple[Layer, ...]
    duration_s: float

    def covers(self, side: int, times_s: Sequence[float]) -> list[list[Plane]]:
        """For each time what each layer would cover on its own, on a canvas of `side` pixels."""
        stencils = [
            Stencil(self.pictures[layer.role], width=layer.width * side, height=layer.height * side)
            for layer in self.layers
        ]
        return [
            [
                stencil.cover(layer.spot(self.camera, time_s, self.duration_s), side)
                for stencil, layer in zip(stencils, self.layers, strict=True)
            ]
            for time_s in times_s
        ]


def draw_layout(
    roles: Sequence[Role], backdrop: Backdrop, rng: np.random.Generator, *, duration_s: float
) -> Layout:
    """Place all objects. Each is tried at random places until all of them are visible enough; where there is
    no room the best try is taken, of which later ones are smaller.

    Raises:
        CompositeError: a picture cannot be opened.
    """
    aspect = ASPECTS[int(rng.integers(len(ASPECTS)))]
    camera, shadow = _camera(rng), _shadow(rng)
    poses = [_Pose.draw(role, rng) for role in roles]
    rough = tuple(pose.rough for pose in poses)
    chosen: tuple[Layer, ...] = ()
    for index, role in enumerate(roles):
        tries = []
        for attempt in range(_TRIES):
            layer = _place(
                index, role, poses[index], backdrop, aspect, rng, shrink=0.97**attempt, shadow=shadow
            )
            stacked = tuple(sorted((*chosen, layer), key=lambda item: item.y + item.height / 2))
            margin = _margin(roles, Layout(aspect, camera, rough, stacked, duration_s))
            tries.append((margin, stacked))
            if margin >= 0:
                break
        chosen = max(tries, key=lambda item: item[0])[1]
    return Layout(aspect, camera, tuple(pose.picture for pose in poses), chosen, duration_s)


def visible(covers: Sequence[Plane]) -> list[Plane]:
    """What is seen of each layer, given what each covers, from back to front."""
    seen: list[Plane] = []
    free: Plane | float = 1.0
    for cover in reversed(covers):
        seen.append(cover * free)
        free = free * (1 - cover)
    return seen[::-1]


@dataclass(frozen=True, slots=True)
class _Pose:
    """A posed picture, and a small one of the same shape for measuring."""

    picture: Image.Image
    rough: Image.Image

    @classmethod
    def draw(cls, role: Role, rng: np.random.Generator) -> _Pose:
        flip = bool(rng.random() < 0.5)
        tilt_deg = round(float(rng.normal(0, 2.0 if _steady(role) else 9.0)), 1)
        picture = pose(open_picture(role.cutout.path), flip=flip, tilt_deg=tilt_deg)
        rough = picture.copy()
        rough.thumbnail((_CHECK_SIDE, _CHECK_SIDE), Image.Resampling.BILINEAR)
        return cls(picture, rough)


def _steady(role: Role) -> bool:
    return role.kind.place == "ground"


def _margin(roles: Sequence[Role], layout: Layout) -> float:
    """By how much the least visible object is visible enough; negative if it is not."""
    least = []
    times_s = [moment * layout.duration_s for moment in _CHECKED]
    areas = [_area(layout.pictures[layer.role], layer) for layer in layout.layers]
    for time_s, covers in zip(times_s, layout.covers(_CHECK_SIDE, times_s), strict=True):
        zoom = layout.camera.magnification(time_s, layout.duration_s)
        for layer, seen, area in zip(layout.layers, visible(covers), areas, strict=True):
            enough = _CAPABLE_VISIBLE if roles[layer.role].capable else _SILENT_VISIBLE
            least.append(float(seen.sum()) / (area * zoom**2) - enough)
    return min(least)


def _area(picture: Image.Image, layer: Layer) -> float:
    """Pixels that a layer would cover on the canvas for measuring, if nothing hid it."""
    stencil = Stencil(picture, width=layer.width * _CHECK_SIDE, height=layer.height * _CHECK_SIDE)
    return max(1e-6, stencil.area)


def _place(
    index: int,
    role: Role,
    posed: _Pose,
    backdrop: Backdrop,
    aspect: float,
    rng: np.random.Generator,
    *,
    shrink: float,
    shadow: Shadow,
) -> Layer:
    """One try for one object."""
    width, height = _size(posed.picture, aspect, rng, shrink=shrink)
    return Layer(
        role=index,
        x=float(rng.uniform(0.42 * width, 1 - 0.42 * width)),
        y=_height_of_centre(role, height, backdrop, rng),
        width=width,
        height=height,
        look=_look(rng, backdrop.light),
        shadow=shadow,
        soft=float(rng.uniform(0.0006, 0.0022)),
        motion=_motion(rng, steady=_steady(role)),
        parallax=float(rng.uniform(1.0, 1.6)),
    )


def _size(
    picture: Image.Image, aspect: float, rng: np.random.Generator, *, shrink: float
) -> tuple[float, float]:
    """Width and height as fractions of the frame; the object keeps its shape in a frame of this aspect."""
    root = math.exp(rng.uniform(math.log(_SMALLEST), math.log(_LARGEST))) * shrink
    ratio = picture.width / picture.height / aspect
    width, height = root * math.sqrt(ratio), root / math.sqrt(ratio)
    sharpest = _SHARPEST * max(picture.width, picture.height) / (_REFERENCE * max(width, height))
    fit = min(1.0, 0.95 / width, 0.95 / height, sharpest)
    return width * fit, height * fit


def _height_of_centre(role: Role, height: float, backdrop: Backdrop, rng: np.random.Generator) -> float:
    """On the ground where there is one, and the larger the nearer; else anywhere."""
    lowest, highest = 1.03 - height / 2, 0.42 * height
    if role.kind.place == "air":
        lowest = max(highest, 0.7 - height / 2)
    elif _steady(role) and backdrop.horizon and rng.random() < 0.8:
        highest = min(lowest, backdrop.horizon + 0.04 - height / 2 + 0.35 * height)
    return float(rng.uniform(min(highest, lowest), max(highest, lowest)))


def _look(rng: np.random.Generator, light: float) -> Look:
    return Look(
        brightness=float(rng.uniform(0.78, 1.12)) * light,
        contrast=float(rng.uniform(0.82, 1.12)),
        saturation=float(rng.uniform(0.6, 1.2)),
        warmth=float(rng.uniform(0.94, 1.07)),
    )


def _shadow(rng: np.random.Generator) -> Shadow:
    """One light for the whole scene: none, from above, or from the side."""
    style = rng.random()
    if style < 0.35:
        return Shadow()
    if style < 0.75:
        return Shadow(
            strength=float(rng.uniform(0.25, 0.6)), shift_x=float(rng.uniform(-0.06, 0.06)), blur=0.035
        )
    return Shadow(
        strength=float(rng.uniform(0.15, 0.4)),
        shift_x=float(rng.uniform(-0.12, 0.12)),
        shift_y=float(rng.uniform(0.0, 0.06)),
        blur=float(rng.uniform(0.02, 0.06)),
        flat=False,
    )


def _motion(rng: np.random.Generator, *, steady: bool) -> Motion:
    drifts = rng.random() < 0.3
    return Motion(
        sway_x=float(rng.uniform(0, 0.015)),
        sway_y=float(rng.uniform(0, 0.004 if steady else 0.02)),
        drift_x=float(rng.normal(0, 0.06)) if drifts else 0.0,
        drift_y=float(rng.normal(0, 0.02)) if drifts else 0.0,
        turn_deg=float(rng.uniform(0, 1.0 if steady else 2.5)),
        rate_hz=float(rng.uniform(0.15, 0.8)),
        phase=float(rng.uniform(0, 2 * math.pi)),
    )


def _camera(rng: np.random.Generator) -> Camera:
    if rng.random() < 0.25:
        return Camera()
    return Camera(
        pan_x=float(rng.uniform(0, 0.02)),
        pan_y=float(rng.uniform(0, 0.01)),
        zoom=float(rng.uniform(0, 0.04)) if rng.random() < 0.5 else 0.0,
        rate_hz=float(rng.uniform(0.1, 0.3)),
        phase=float(rng.uniform(0, 2 * math.pi)),
    )
