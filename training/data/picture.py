"""The picture at the top of the README: moments of an overlay, one under the other."""

from __future__ import annotations

import json
from pathlib import Path

import av
from PIL import Image

_GAP_PX = 6
_QUALITY = 88


def moments_of(sample_json: Path) -> tuple[float, ...]:
    """A moment of each turn and one of the silence of a sample clip, in seconds.

    The silence is shown late: the model hears two seconds around a frame, so the last sound echoes into it.
    """
    document = json.loads(sample_json.read_text())
    silence = document["silence"]
    middles = [(turn["from_s"] + turn["to_s"]) / 2 for turn in document["turns"]]
    return (*middles, silence["to_s"] - (silence["to_s"] - silence["from_s"]) / 4)


def write_picture(overlay: Path, path: Path, *, moments_s: tuple[float, ...]) -> None:
    """Stack the overlay's frames at these moments into one JPEG.

    Raises:
        ValueError: the overlay is shorter than the last moment.
    """
    with av.open(str(overlay)) as container:
        frames = {float(frame.time or 0): frame.to_image() for frame in container.decode(video=0)}
    if not frames or max(frames) < max(moments_s):
        raise ValueError(f"{overlay} ends before {max(moments_s)} s")
    chosen = [frames[min(frames, key=lambda time_s: abs(time_s - moment))] for moment in moments_s]
    width = chosen[0].width
    height = sum(frame.height for frame in chosen) + _GAP_PX * (len(chosen) - 1)
    sheet = Image.new("RGB", (width, height), "white")
    top = 0
    for frame in chosen:
        sheet.paste(frame, (0, top))
        top += frame.height + _GAP_PX
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=_QUALITY)
