"""What an object is heard as: the event that is heard and called like what the object looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from app.inference.bundle import Bundle
from app.pipeline.boxes import mean_inside
from app.results.model import Detection, Heard

Floats = npt.NDArray[np.float32]


def name_sounds(
    bundle: Bundle, frames: Sequence[tuple[Detection, ...]], class_map: Floats, events: Floats
) -> tuple[tuple[Detection, ...], ...]:
    """Give the one object of a frame that sounds the name of its sound.

    Where several sound it is open which of them makes what, so none gets a name. Without a graph for it
    nothing changes.

    Args:
        frames: N times what `detect` found.
        class_map, events: (N, H, W, C) and (N, E), of the same frames.

    Raises:
        InternalError: the graph failed.
    """
    if not bundle.names:
        return tuple(frames)
    threshold = bundle.detector.sounding.threshold
    sounding = [[each for each in found if each.sounding >= threshold] for found in frames]
    rows = [row for row, found in enumerate(sounding) if len(found) == 1]
    if not rows:
        return tuple(frames)
    boxes = np.array([sounding[row][0].box for row in rows], np.float32)
    evidence = bundle.name(mean_inside(class_map[rows], boxes), events[rows])
    named = list(frames)
    for row, scores in zip(rows, evidence, strict=True):
        sound = _best(scores, bundle.manifest.events.labels)
        named[row] = tuple(
            replace(each, sound=sound) if each.sounding >= threshold else each for each in frames[row]
        )
    return tuple(named)


def _best(scores: Floats, labels: tuple[str, ...]) -> Heard | None:
    best = int(scores.argmax())
    return Heard(labels[best], float(scores[best])) if scores[best] > 0 else None
