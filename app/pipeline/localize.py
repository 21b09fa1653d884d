"""Features to answers: the heatmap and the presence of each frame, and the names of what is heard there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.inference.bundle import Bundle
from app.inference.manifest import Events
from app.pipeline.encode import SILENCE
from app.pipeline.features import Features
from app.results.model import FrameResults, Heard

Floats = npt.NDArray[np.float32]

MOST_HEARD = 3


def localize(
    bundle: Bundle, features: Features, *, time_s: npt.NDArray[np.float64], frame: npt.NDArray[np.int64]
) -> FrameResults:
    """Run the localisation head on encoded frames.

    The graph calibrates its heatmap and darkens it in silence itself; nothing is rescaled here.

    Args:
        time_s, frame: (N,) time and index of each frame, passed on.

    Raises:
        InternalError: the graph failed.
    """
    heatmap, presence = bundle.localize(features.tokens, features.class_map, features.events, features.audio)
    heard = tuple(name_events(row, bundle.manifest.events) for row in features.events)
    return FrameResults(time_s, frame, heatmap, presence, heard)


def unheard(bundle: Bundle, *, time_s: npt.NDArray[np.float64], frame: npt.NDArray[np.int64]) -> FrameResults:
    """The answer where there is no sound to localise: heatmap and presence are 0, nothing is heard."""
    count = len(time_s)
    return FrameResults(
        time_s,
        frame,
        np.zeros((count, *bundle.manifest.grid), np.float32),
        np.zeros(count, np.float32),
        ((),) * count,
    )


def name_events(scores: Floats, events: Events) -> tuple[Heard, ...]:
    """The events (E,) that reach their own thresholds, at most `MOST_HEARD`, by falling score.

    General names such as "Music" or "Animal" stay beside the special ones: often they are all that is sure.
    """
    passed = np.flatnonzero(scores >= np.array(events.thresholds, np.float32))
    ranked = passed[np.argsort(-scores[passed], kind="stable")]
    heard = [
        Heard(events.labels[index], float(scores[index]))
        for index in ranked
        if events.labels[index] != SILENCE
    ]
    return tuple(heard[:MOST_HEARD])
