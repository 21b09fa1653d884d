from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from app.results.json_writer import result_document
from app.results.model import Detection
from app.results.ndjson import frame_lines, header_line, write_ndjson


def test_lines_are_the_head_and_the_frames_of_the_json_document(small_result):
    stream = io.BytesIO()
    write_ndjson(small_result, stream)
    head, *frames, last = [json.loads(line) for line in stream.getvalue().splitlines()]
    document = result_document(small_result)
    assert frames == document.pop("frames")
    assert document.pop("explanations") is None
    assert head == last == document


@pytest.mark.parametrize("group_by", ["frame", "track"])
def test_tracks_come_in_the_last_line(make_result, group_by):
    dog = Detection((0.0, 0.25, 0.5, 1.0), "dog", 0.9, 0.1, 1)
    result = make_result(np.zeros((2, 2, 2)), detections=((dog,), (dog,)))
    result = replace(result, group_by=group_by)
    stream = io.BytesIO()
    write_ndjson(result, stream)
    head, *frames, last = [json.loads(line) for line in stream.getvalue().splitlines()]
    document = result_document(result)
    assert frames == document.pop("frames")
    del document["explanations"]
    assert last == document
    assert head == {key: value for key, value in document.items() if key != "tracks"}
    assert ("detections" in frames[0], "frames" in last["tracks"][0]) == (
        group_by == "frame",
        group_by == "track",
    )


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


def test_explanations_have_lines_of_their_own_kind(make_result, dog_explained):
    result = make_result(np.zeros((1, 2, 2)), explanations=(dog_explained, dog_explained))
    stream = io.BytesIO()
    write_ndjson(result, stream)
    head, frame, *explanations, last = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert "kind" not in frame
    assert {line.pop("kind") for line in explanations} == {"explanation"}
    assert explanations == result_document(result)["explanations"]
    assert head == last
    assert "explanations" not in last
