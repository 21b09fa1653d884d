"""The result as JSON lines: a header, one line per sampled frame and one per explanation, and the header once
more, now complete.

The lines can be sent while an analysis is still running: `header_line` once, then `frame_lines` of each
block of frames and `explanation_line` of each explanation as they come, then `final_line`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from app.media.clip import SourceInfo
from app.results.json_writer import (
    explanation_document,
    frame_document,
    head_document,
    result_head,
    to_bytes,
    track_documents,
)
from app.results.model import Explanation, FrameResults, GroupBy, ModelInfo, Notice, Result, Thresholds


def write_ndjson(result: Result, stream: BinaryIO) -> None:
    """Write the lines of a finished result; its header also holds the warnings and the number of frames."""
    stream.write(to_bytes(result_head(result)) + b"\n")
    stream.writelines(frame_lines(result.frames, group_by=result.group_by))
    stream.writelines(map(explanation_line, result.explanations or ()))
    stream.write(final_line(result))


def header_line(
    source: SourceInfo,
    model: ModelInfo,
    *,
    sampling_fps: float,
    thresholds: Thresholds,
    notices: Sequence[Notice] = (),
) -> bytes:
    """First line of a running analysis: the JSON document without frames, their number still null."""
    document = head_document(source, model, sampling_fps=sampling_fps, thresholds=thresholds, notices=notices)
    return to_bytes(document) + b"\n"


def frame_lines(frames: FrameResults, *, group_by: GroupBy = "frame") -> Iterator[bytes]:
    """One line per frame, each the same object as in the JSON document."""
    for index in range(len(frames)):
        yield to_bytes(frame_document(frames, index, group_by=group_by)) + b"\n"


def explanation_line(explanation: Explanation) -> bytes:
    """The same object as in the JSON document, of the `kind` explanation."""
    return to_bytes({"kind": "explanation", **explanation_document(explanation)}) + b"\n"


def final_line(result: Result) -> bytes:
    """Last line: the JSON document without frames and explanations, but with the tracks if detection ran."""
    document = result_head(result)
    if result.frames.detections is not None:
        document["tracks"] = [*track_documents(result)]
    return to_bytes(document) + b"\n"
