"""The result as JSON lines: a header, then one line per sampled frame.

The lines can be sent while an analysis is still running: `header_line` once, then `frame_lines` of each
block of frames as it comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from app.media.clip import SourceInfo
from app.results.json_writer import frame_document, head_document, result_head, to_bytes
from app.results.model import FrameResults, ModelInfo, Notice, Result, Thresholds


def write_ndjson(result: Result, stream: BinaryIO) -> None:
    """Write the lines of a finished result; its header also holds the warnings and the number of frames."""
    stream.write(to_bytes(result_head(result)) + b"\n")
    stream.writelines(frame_lines(result.frames))


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


def frame_lines(frames: FrameResults) -> Iterator[bytes]:
    """One line per frame, each the same object as in the JSON document."""
    for index in range(len(frames)):
        yield to_bytes(frame_document(frames, index)) + b"\n"
