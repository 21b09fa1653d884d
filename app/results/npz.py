"""The result as NumPy arrays, for people who want the exact floats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from app.results.model import Detection, Explanation, Result


def write_npz(result: Result, stream: BinaryIO) -> None:
    """Write `time_s` (T,) float64 in seconds, `heatmap` (T, G, G) and `presence` (T,) float32 in [0, 1].

    If detection ran there are also `boxes` (M, 4) float32, x0, y0, x1, y1 as fractions of the displayed
    frame, of all frames one after the other, and for each of them `box_frame` int64, the index into `time_s`,
    `box_score` and `box_sounding` float32 in [0, 1], `box_label` str, `box_sound` str, empty without a name,
    and `box_track` int64, from 1.

    If the clip was explained there are also the S steps of all stretches one after the other:
    `explain_time_s` and `explain_start_s` (S,) float64, their times and the starts of their stretches, and
    `when_audio`, `when_visual` (S,) and `where` (S, G, G) float32, each with the sum 1 in each stretch.

    The archive holds plain arrays only, so it loads with `allow_pickle=False`.
    """
    frames = result.frames
    detections = {} if frames.detections is None else _box_arrays(frames.detections)
    explained, grid = result.explanations, frames.heatmap.shape[1:]
    explanations = {} if explained is None else _step_arrays(explained, grid)
    np.savez_compressed(
        stream,
        time_s=np.asarray(frames.time_s, np.float64),
        heatmap=np.asarray(frames.heatmap, np.float32),
        presence=np.asarray(frames.presence, np.float32),
        **detections,
        **explanations,
    )


def _box_arrays(detections: Sequence[Sequence[Detection]]) -> dict[str, Any]:
    found = [(row, detection) for row, frame in enumerate(detections) for detection in frame]
    return {
        "boxes": np.array([detection.box for _, detection in found], np.float32).reshape(-1, 4),
        "box_frame": np.array([row for row, _ in found], np.int64),
        "box_score": np.array([detection.score for _, detection in found], np.float32),
        "box_sounding": np.array([detection.sounding for _, detection in found], np.float32),
        "box_label": np.array([detection.label for _, detection in found], np.str_),
        "box_sound": np.array(
            [detection.sound.label if detection.sound else "" for _, detection in found], np.str_
        ),
        "box_track": np.array([detection.track_id for _, detection in found], np.int64),
    }


def _step_arrays(explanations: Sequence[Explanation], grid: tuple[int, ...]) -> dict[str, Any]:
    def joined(name: str, *shape: int, dtype: type = np.float32) -> Any:
        # The empty part holds shape and type if there is no explanation.
        return np.concatenate([np.zeros((0, *shape), dtype), *(getattr(each, name) for each in explanations)])

    lengths = [len(each.time_s) for each in explanations]
    return {
        "explain_time_s": joined("time_s", dtype=np.float64),
        "explain_start_s": np.repeat(np.array([each.start_s for each in explanations], np.float64), lengths),
        "when_audio": joined("when_audio"),
        "when_visual": joined("when_visual"),
        "where": joined("where", *grid),
    }
