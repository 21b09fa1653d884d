"""The result as one JSON document, written frame by frame so that a long clip needs no giant object.

Times are seconds of the displayed timeline, coordinates are fractions of the displayed frame.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from app.media.clip import SourceInfo
from app.results.model import (
    SCHEMA,
    Detection,
    Explanation,
    Faithfulness,
    FrameResults,
    GroupBy,
    Heard,
    ModelInfo,
    Notice,
    Result,
    Thresholds,
)
from app.results.tracks import Track, tracks_of

_TIME_DIGITS = 6  # microseconds, finer than any container's clock that matters here
_SCORE_DIGITS = 4
_WEIGHT_DIGITS = 6  # significant ones, of a weight that may be one of thousands

Document = dict[str, Any]


def write_json(result: Result, stream: BinaryIO) -> None:
    """Write the document as UTF-8, one frame a line, after them one track and one explanation a line."""
    frames = result.frames
    stream.write(to_bytes(result_head(result))[:-1])
    documents = (frame_document(frames, index, group_by=result.group_by) for index in range(len(frames)))
    _write_list("frames", documents, stream)
    if frames.detections is not None:
        _write_list("tracks", track_documents(result), stream)
    if result.explanations is None:
        stream.write(b',"explanations":null')
    else:
        _write_list("explanations", map(explanation_document, result.explanations), stream)
    stream.write(b"}\n")


def result_document(result: Result) -> Document:
    """The same document as one object. Meant for short clips; `write_json` is for any length."""
    frames = [
        frame_document(result.frames, index, group_by=result.group_by) for index in range(len(result.frames))
    ]
    document = {**result_head(result), "frames": frames}
    if result.frames.detections is not None:
        document["tracks"] = [*track_documents(result)]
    explained = result.explanations
    document["explanations"] = None if explained is None else [*map(explanation_document, explained)]
    return document


def result_head(result: Result) -> Document:
    """The document of a finished result without its frames, tracks and explanations."""
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
    """Everything but frames, tracks and explanations.

    `n_frames` is None, in the document null, while an analysis runs.
    """
    return {
        "schema": SCHEMA,
        "source": asdict(source),
        "model": asdict(model),
        "sampling": {"fps": sampling_fps, "frames": n_frames},
        "thresholds": asdict(thresholds),
        "warnings": [asdict(notice) for notice in notices],
    }


def frame_document(frames: FrameResults, index: int, *, group_by: GroupBy = "frame") -> Document:
    """One sampled frame.

    The heatmap is row-major uint8 in base64, 255 meaning 1.0 on every frame; `peak` is the centre of its
    highest cell and that cell's exact score. `silence` is true when no sound event is heard. `detections` are
    there if detection ran and `group_by` puts them here.
    """
    heatmap = frames.heatmap[index]
    heard = frames.heard[index]
    document = {
        **_moment(frames, index),
        "presence": _score(frames.presence[index]),
        "silence": not heard,
        "heard": [*map(_event, heard)],
        "heatmap": {
            "grid": list(heatmap.shape),
            "scale": [0, 1],
            "data": _to_base64(heatmap),
            "peak": _peak(heatmap),
        },
    }
    if frames.detections is not None and group_by == "frame":
        document["detections"] = [
            {**_seen(found), "label": found.label, "track_id": found.track_id}
            for found in frames.detections[index]
        ]
    return document


def track_documents(result: Result) -> Iterator[Document]:
    """The objects by rising number, each with its frames if the result puts its detections here."""
    for track in tracks_of(result.frames):
        yield _track_document(track, result.frames, in_full=result.group_by == "track")


def explanation_document(explanation: Explanation) -> Document:
    """One explanation. `where` is uint8 in base64, step by step and row by row, 255 meaning `scale[1]`."""
    where, counterfactual = explanation.where, explanation.counterfactual
    most = where.max()
    return {
        "start_s": _time(explanation.start_s),
        "end_s": _time(explanation.end_s),
        "event": _event(explanation.event),
        "reason": explanation.reason,
        "runners_up": [*map(_event, explanation.runners_up)],
        "time_s": [*map(_time, explanation.time_s)],
        "when_audio": [*map(_score, explanation.when_audio)],
        "when_visual": [*map(_score, explanation.when_visual)],
        "where": {
            "grid": list(where.shape[1:]),
            "scale": [0, float(f"{most:.{_WEIGHT_DIGITS}g}")],
            "data": _to_base64(where / most),
        },
        "sound_share": _score(explanation.sound_share),
        "faithfulness": _faithfulness(explanation.faithfulness),
        "counterfactual": counterfactual
        and {
            "sound": counterfactual.sound,
            "event": _event(counterfactual.event),
            "score": _score(counterfactual.score),
            "moved": _score(counterfactual.moved),
        },
    }


def to_bytes(document: Document) -> bytes:
    """Compact UTF-8 JSON without a line break. Raises ValueError on a number that JSON cannot hold."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _write_list(name: str, documents: Iterable[Document], stream: BinaryIO) -> None:
    """Continue an object by a list, one document a line."""
    stream.write(f',"{name}":['.encode())
    for index, document in enumerate(documents):
        stream.write(b",\n" if index else b"\n")
        stream.write(to_bytes(document))
    stream.write(b"\n]")


def _track_document(track: Track, frames: FrameResults, *, in_full: bool) -> Document:
    document: Document = {
        "track_id": track.track_id,
        "label": track.label,
        "start_s": _time(frames.time_s[track.rows[0]]),
        "end_s": _time(frames.time_s[track.rows[-1]]),
        "score": _score(track.score),
        "sounding": _score(track.sounding),
        "sound": track.sound and _event(track.sound),
    }
    if in_full:
        document["frames"] = [
            {**_moment(frames, row), **_seen(found)}
            for row, found in zip(track.rows, track.detections, strict=True)
        ]
    return document


def _moment(frames: FrameResults, index: int) -> Document:
    return {"time_s": _time(frames.time_s[index]), "frame": int(frames.frame[index])}


def _seen(detection: Detection) -> Document:
    return {
        "box": [_score(edge) for edge in detection.box],
        "score": _score(detection.score),
        "sounding": _score(detection.sounding),
        "sound": detection.sound and _event(detection.sound),
    }


def _event(event: Heard) -> Document:
    return {"label": event.label, "score": _score(event.score)}


def _faithfulness(faithfulness: Faithfulness) -> Document:
    areas = {"picture": faithfulness.picture, "sound": faithfulness.sound}
    return {
        **{part: {name: _score(area) for name, area in asdict(areas[part]).items()} for part in areas},
        "without_picture": _score(faithfulness.without_picture),
        "without_sound": _score(faithfulness.without_sound),
    }


def _time(time_s: float | np.float64) -> float:
    return round(float(time_s), _TIME_DIGITS)


def _peak(heatmap: npt.NDArray[np.float32]) -> Document:
    rows, columns = heatmap.shape
    row, column = divmod(int(heatmap.argmax()), columns)
    return {
        "x": round((column + 0.5) / columns, _SCORE_DIGITS),
        "y": round((row + 0.5) / rows, _SCORE_DIGITS),
        "score": _score(heatmap[row, column]),
    }


def _to_base64(values: npt.NDArray[np.float32]) -> str:
    """One byte for each value in [0, 1]."""
    return base64.b64encode(np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8).tobytes()).decode("ascii")


def _score(value: float | np.floating[Any]) -> float:
    return round(float(value), _SCORE_DIGITS)
