"""A scene: objects before a backdrop, some of them sounding, with the truth about every pixel and moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.data.composites.backdrops import SIDE as BACKDROP_SIDE
from training.data.composites.backdrops import Backdrop
from training.data.composites.cast import Script, Span
from training.data.composites.layout import Camera, Layout, draw_layout, visible
from training.data.composites.soundtrack import Noise, mix
from training.data.composites.sprites import Frame, Sprite
from training.data.composites.waves import Waveform
from training.data.examples import Facts, Footage, Visible
from training.metrics.masks import SIDE as MASK_SIDE
from training.metrics.masks import tight_boxes

_VIEW = 0.88  # the share of a backdrop's side that the camera sees
_SOLID = 0.5  # a pixel belongs to the object that covers at least so much of it


@dataclass(frozen=True, slots=True)
class Rendering:
    """A scene as pictures, and everything that is known about it. K objects, T frames.

    Attributes:
        frames: (T, S, S, 3) uint8 RGB.
        times_s: (T,) float64.
        masks: (T, K, 224, 224) bool, what is seen of each object.
        sounding: (T, K) bool, which of them sounds at that time.
        labels: K kinds.
        families: K families.
        intervals: for each object, onset and offset in seconds of every stretch in which it sounds.
        aspect: width by height of the frame that was squashed to a square.
    """

    frames: npt.NDArray[np.uint8]
    times_s: npt.NDArray[np.float64]
    masks: npt.NDArray[np.bool_]
    sounding: npt.NDArray[np.bool_]
    labels: tuple[str, ...]
    families: tuple[str, ...]
    intervals: tuple[tuple[Span, ...], ...]
    aspect: float


@dataclass(frozen=True, slots=True)
class Finish:
    """The camera's film: factors on red, green and blue, and the deviation of its grain in grey levels."""

    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    grain: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene, an `Example`. Nothing is drawn or read before it is asked for.

    Attributes:
        facts: `extra` says `situation`, `known_kind` (whether each kind that sounds in sight is among those
            of the training split), `families` of what is heard and the `backdrop`.
        script: who is in it and what is heard.
        backdrop, finish, noise: see there.
        duration_s: from the first frame to the end.
        seed: of the layout.
    """

    facts: Facts
    script: Script
    backdrop: Backdrop
    finish: Finish
    noise: Noise | None
    duration_s: float
    seed: tuple[int, ...]

    def layout(self) -> Layout:
        """Where everything is. Raises CompositeError if a picture cannot be opened."""
        rng = np.random.default_rng(self.seed)
        return draw_layout(self.script.roles, self.backdrop, rng, duration_s=self.duration_s)

    def footage(self, *, size: int, fps: float) -> Footage:
        """Frames, sound and truth; every frame is judged.

        Raises:
            CompositeError: a picture or a sound cannot be read or rendered; the message names it.
        """
        rendering = self.render(size, fps)
        heard = (rendering.masks & rendering.sounding[:, :, None, None]).any(axis=1)
        return Footage(
            frames=rendering.frames,
            times_s=rendering.times_s,
            waveform=self.waveform(),
            waveform_start_s=0.0,
            truth=np.asarray(heard, np.float32),
            judged=np.ones(len(rendering.times_s), np.bool_),
            things=tuple(
                Visible(label, boxes, sounding)
                for label, boxes, sounding in zip(
                    rendering.labels,
                    tight_boxes(rendering.masks.swapaxes(0, 1)),
                    rendering.sounding.T,
                    strict=True,
                )
            ),
        )

    def waveform(self) -> Waveform:
        """What is heard, from time 0 for `duration_s`."""
        return mix(self.script.sounds, self.noise, duration_s=self.duration_s)

    def intervals(self) -> tuple[tuple[Span, ...], ...]:
        """When each object sounds."""
        roles: list[tuple[Span, ...]] = [() for _ in self.script.roles]
        for sound in self.script.sounds:
            if sound.role is not None:
                roles[sound.role] = sound.spans
        return tuple(roles)

    def render(self, size: int, fps: float) -> Rendering:
        """Pictures, and the mask of every object, whether it sounds or not. Raises as `footage`."""
        times_s = np.arange(max(1, round(self.duration_s * fps))) / fps
        layout, roles, intervals = self.layout(), self.script.roles, self.intervals()
        sounding = [[_within(time_s, spans) for spans in intervals] for time_s in times_s]
        return Rendering(
            frames=self._frames(layout, size, times_s),
            times_s=times_s,
            masks=self._masks(layout, times_s),
            sounding=np.array(sounding, np.bool_).reshape(len(times_s), len(roles)),
            labels=tuple(role.kind.name for role in roles),
            families=tuple(role.kind.family for role in roles),
            intervals=intervals,
            aspect=layout.aspect,
        )

    def _masks(self, layout: Layout, times_s: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        masks = np.zeros((len(times_s), len(self.script.roles), MASK_SIDE, MASK_SIDE), np.bool_)
        for index, planes in enumerate(layout.covers(MASK_SIDE, times_s.tolist())):
            for layer, seen in zip(layout.layers, visible(planes), strict=True):
                masks[index, layer.role] = seen >= _SOLID
        return masks

    def _frames(self, layout: Layout, size: int, times_s: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
        backdrop = self.backdrop.picture()
        sprites = [
            Sprite(
                layout.pictures[layer.role],
                width=layer.width * size,
                height=layer.height * size,
                look=layer.look,
                shadow=layer.shadow,
                soft_px=layer.soft * size,
            )
            for layer in layout.layers
        ]
        grain = _grain(self.finish, size)
        frames = np.empty((len(times_s), size, size, 3), np.uint8)
        for index, time_s in enumerate(times_s):
            frame = _view(backdrop, layout.camera, size, time_s, self.duration_s)
            for sprite, layer in zip(sprites, layout.layers, strict=True):
                sprite.draw(frame, layer.spot(layout.camera, time_s, self.duration_s))
            frame *= np.asarray(self.finish.gains, np.float32)
            if grain is not None:
                frame += np.roll(grain, (61 * index, 83 * index), axis=(0, 1))
            frames[index] = np.clip(frame, 0, 255, out=frame)
        return frames


def _within(time_s: float, spans: tuple[Span, ...]) -> bool:
    return any(onset_s <= time_s < offset_s for onset_s, offset_s in spans)


def _view(backdrop: Image.Image, camera: Camera, size: int, time_s: float, duration_s: float) -> Frame:
    """What the camera sees of the backdrop, float32."""
    side = _VIEW / camera.magnification(time_s, duration_s)
    pan_x, pan_y = camera.pan(time_s)
    left, top = (1 - side) / 2 + pan_x * _VIEW, (1 - side) / 2 + pan_y * _VIEW
    x0, y0, x1, y1 = (edge * BACKDROP_SIDE for edge in (left, top, left + side, top + side))
    seen = backdrop.resize((size, size), Image.Resampling.BILINEAR, box=(x0, y0, x1, y1))
    return np.array(seen, np.float32)


def _grain(finish: Finish, size: int) -> Frame | None:
    if not finish.grain:
        return None
    rng = np.random.default_rng(finish.seed)
    return rng.standard_normal((size, size, 1), np.float32) * np.float32(finish.grain)
