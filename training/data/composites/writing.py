"""Scenes as files: a clip with sound, the truth about it, and a mask for each frame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from app.media.encode import ClipWriter, YuvConverter
from app.results.replacing import replacing
from training.data.composites.scene import Rendering, Scene
from training.data.composites.waves import RATE_HZ

CLIP, TRUTH, MASKS = "clip.mp4", "truth.json", "masks"

_CRF = 20


def write_scene(scene: Scene, directory: Path, *, size: int, fps: float) -> Path:
    """Write a folder with the scene's name: `clip.mp4`, `truth.json` and `masks/00000.png` and so on.

    The clip is `size` pixels high. A mask is 224 x 224, the frame squashed to a square; the value of a pixel
    is the `mask` of the object in the truth, or 0.

    Args:
        scene: see there.
        directory: in which the folder is made.
        size: even.
        fps: frames per second of clip and masks.

    Returns:
        The folder.

    Raises:
        CompositeError: a picture or a sound cannot be read or rendered.
        OSError: the files cannot be written.
    """
    rendering = scene.render(size, fps)
    folder = directory / scene.facts.id
    (folder / MASKS).mkdir(parents=True, exist_ok=True)
    _write_clip(folder / CLIP, rendering, scene, fps=fps)
    for index, masks in enumerate(rendering.masks):
        _indexed(masks).save(folder / MASKS / f"{index:05d}.png")
    truth = json.dumps(describe(scene, rendering), indent=2)
    with replacing(folder / TRUTH) as part:
        part.write_text(truth + "\n", encoding="utf-8")
    return folder


def describe(scene: Scene, rendering: Rendering) -> dict[str, Any]:
    """What is known of a scene, as it goes into `truth.json`."""
    facts = scene.facts
    objects = zip(rendering.labels, rendering.families, rendering.intervals, scene.script.roles, strict=True)
    offscreen = [
        {
            "label": sound.kind.name,
            "family": sound.kind.family,
            "sounds_s": [list(span) for span in sound.spans],
        }
        for sound in scene.script.sounds
        if sound.role is None
    ]
    return {
        "id": facts.id,
        "split": facts.split,
        "scene": facts.scene,
        **facts.extra,
        "duration_s": scene.duration_s,
        "times_s": [round(float(time_s), 4) for time_s in rendering.times_s],
        "objects": [
            {
                "mask": index + 1,
                "label": label,
                "family": family,
                "picture": role.cutout.id,
                "sounds_s": [list(span) for span in spans],
            }
            for index, (label, family, spans, role) in enumerate(objects)
        ],
        "not_in_sight": offscreen,
    }


def _write_clip(path: Path, rendering: Rendering, scene: Scene, *, fps: float) -> None:
    height = rendering.frames.shape[1]
    width = 2 * round(height * rendering.aspect / 2)
    converter = YuvConverter()
    with (
        replacing(path) as part,
        ClipWriter(
            part, width=width, height=height, fps=fps, sound_rate_hz=RATE_HZ, sound_channels=1, crf=_CRF
        ) as writer,
    ):
        writer.add_sound(scene.waveform()[:, None], 0.0)
        for frame, time_s in zip(rendering.frames, rendering.times_s, strict=True):
            shown = Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC)
            writer.add_frame(converter.convert(np.ascontiguousarray(shown)), float(time_s))


def _indexed(masks: npt.NDArray[np.bool_]) -> Image.Image:
    """Masks (K, 224, 224) that do not overlap as one picture with a colour for each."""
    values = np.zeros(masks.shape[1:], np.uint8)
    for index, mask in enumerate(masks):
        values[mask] = index + 1
    picture = Image.fromarray(values, "P")
    picture.putpalette([0, 0, 0, 230, 60, 60, 60, 160, 230, 250, 200, 60])
    return picture
