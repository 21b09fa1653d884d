"""The sampled frames at any moment of the clip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from app.results.model import Detection, FrameResults

Box = tuple[float, float, float, float]


def nearest(times_s: npt.NDArray[np.float64], time_s: float) -> int | None:
    """Index of the sample closest in time, the earlier one when two are; None without samples.

    `times_s` rises.
    """
    if not len(times_s):
        return None
    after = min(int(np.searchsorted(times_s, time_s)), len(times_s) - 1)
    before = max(after - 1, 0)
    return before if time_s - times_s[before] <= times_s[after] - time_s else after


def heatmap_at(frames: FrameResults, time_s: float) -> npt.NDArray[np.float32] | None:
    """The (G, G) heatmap between the two neighbouring samples, linear in time; None without samples.

    Before the first and after the last sample theirs holds.
    """
    times_s = frames.time_s
    if not len(times_s):
        return None
    after = int(np.searchsorted(times_s, time_s))
    before = max(after - 1, 0)
    after = min(after, len(times_s) - 1)
    span_s = float(times_s[after] - times_s[before])
    share = np.float32((time_s - times_s[before]) / span_s) if span_s else np.float32(0)
    heatmap: npt.NDArray[np.float32] = (1 - share) * frames.heatmap[before] + share * frames.heatmap[after]
    return heatmap


def detections_at(frames: FrameResults, time_s: float) -> tuple[Detection, ...]:
    """The detections of the nearest sample; none without samples, or if detection did not run.

    Boxes of tracks that the next nearest sample also has move linearly in time, the others stand still.
    """
    here = nearest(frames.time_s, time_s)
    if frames.detections is None or here is None:
        return ()
    other = here + 1 if time_s > frames.time_s[here] else here - 1
    if not 0 <= other < len(frames):
        return frames.detections[here]
    share = float((time_s - frames.time_s[here]) / (frames.time_s[other] - frames.time_s[here]))
    boxes = {detection.track_id: detection.box for detection in frames.detections[other]}
    return tuple(
        replace(detection, box=_between(detection.box, boxes.get(detection.track_id, detection.box), share))
        for detection in frames.detections[here]
    )


def _between(box: Box, other: Box, share: float) -> Box:
    x0, y0, x1, y1 = ((1 - share) * a + share * b for a, b in zip(box, other, strict=True))
    return x0, y0, x1, y1
