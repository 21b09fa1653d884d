from __future__ import annotations

import io
import json

from app.results.json_writer import result_document
from app.results.ndjson import frame_lines, header_line, write_ndjson


def test_lines_are_the_head_and_the_frames_of_the_json_document(small_result):
    stream = io.BytesIO()
    write_ndjson(small_result, stream)
    head, *frames = [json.loads(line) for line in stream.getvalue().splitlines()]
    document = result_document(small_result)
    assert frames == document.pop("frames")
    assert head == document


def test_every_line_of_a_running_analysis_ends_and_stands_alone(small_result):
    header = header_line(
        small_result.source,
        small_result.model,
        sampling_fps=small_result.sampling_fps,
        thresholds=small_result.thresholds,
    )
    lines = [header, *frame_lines(small_result.frames)]
    assert len(lines) == 3
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)
    assert [json.loads(line)["time_s"] for line in lines[1:]] == [0.0, 0.333333]


def test_header_of_a_running_analysis_does_not_claim_a_number_of_frames(small_result):
    header = header_line(
        small_result.source,
        small_result.model,
        sampling_fps=small_result.sampling_fps,
        thresholds=small_result.thresholds,
    )
    document = json.loads(header)
    assert document["schema"] == "earsight.result/1"
    assert document["sampling"] == {"fps": 4.0, "frames": None}
