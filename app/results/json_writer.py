"""The result as one JSON document, written frame by frame so that a long clip needs no giant object.

Times are seconds of the displayed timeline, coordinates are fractions of the displayed frame.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from app.media.clip import SourceInfo
from app.results.model import SCHEMA, FrameResults, ModelInfo, Notice, Result, Thresholds

_TIME_DIGITS = 6  # microseconds, finer than any container's clock that matters here
_SCORE_DIGITS = 4

Document = dict[str, Any]


def write_json(result: Result, stream: BinaryIO) -> None:
    """Write the document as UTF-8, one frame a line."""
    head = to_bytes(result_head(result))
    stream.write(head[:-1] + b',"frames":[')
    for index in range(len(result.frames)):
        stream.write(b",\n" if index else b"\n")
        stream.write(to_bytes(frame_document(result.frames, index)))
    stream.write(b"\n]}\n")


def result_document(result: Result) -> Document:
    """The same document as one object. Meant for short clips; `write_json` is for any length."""
    frames = [frame_document(result.frames, index) for index in range(len(result.frames))]
    return {**result_head(result), "frames": frames}


def result_head(result: Result) -> Document:
    """The document of a finished result without its frames."""
    return head_document(
        result.source,
        result.model,
        sampling_fps=result.sampling_fps,
        thresholds=result.thresholds,
        notices=result.notices,
        n_frames=len(result.frames),
    )


def head_document(
    source: SourceInfo,
    model: ModelInfo,
    *,
    sampling_fps: float,
    thresholds: Thresholds,
    notices: Sequence[Notice] = (),
    n_frames: int | None = None,
) -> Document:
    """Everything but the frames. `n_frames` is None, and null in the document, while an analysis runs."""
    return {
        "schema": SCHEMA,
        "source": asdict(source),
        "model": asdict(model),
        "sampling": {"fps": sampling_fps, "frames": n_frames},
        "thresholds": asdict(thresholds),
        "warnings": [asdict(notice) for notice in notices],
    }


def frame_document(frames: FrameResults, index: int) -> Document:
    """One sampled frame.

    The heatmap is row-major uint8 in base64, 255 meaning 1.0 on every frame; `peak` is the centre of its
    highest cell and that cell's exact score. `silence` is true when no sound event is heard.
    """
    heatmap = frames.heatmap[index]
    heard = frames.heard[index]
    return {
        "time_s": round(float(frames.time_s[index]), _TIME_DIGITS),
        "frame": int(frames.frame[index]),
        "presence": _score(frames.presence[index]),
        "silence": not heard,
        "heard": [{"label": event.label, "score": _score(event.score)} for event in heard],
        "heatmap": {
            "grid": list(heatmap.shape),
            "scale": [0, 1],
            "data": base64.b64encode(_to_uint8(heatmap).tobytes()).decode("ascii"),
            "peak": _peak(heatmap),
        },
    }


def to_bytes(document: Document) -> bytes:
    """Compact UTF-8 JSON without a line break. Raises ValueError on a number that JSON cannot hold."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _peak(heatmap: npt.NDArray[np.float32]) -> Document:
    rows, columns = heatmap.shape
    row, column = divmod(int(heatmap.argmax()), columns)
    return {
        "x": round((column + 0.5) / columns, _SCORE_DIGITS),
        "y": round((row + 0.5) / rows, _SCORE_DIGITS),
        "score": _score(heatmap[row, column]),
    }


def _to_uint8(heatmap: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    return np.rint(np.clip(heatmap, 0, 1) * 255).astype(np.uint8)


def _score(value: float | np.floating[Any]) -> float:
    return round(float(value), _SCORE_DIGITS)
