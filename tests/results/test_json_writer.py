from __future__ import annotations

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from app.results.json_writer import explanation_document, frame_document, result_document, write_json
from app.results.model import Detection, Heard, Result


def _written(result: Result) -> dict:
    stream = io.BytesIO()
    write_json(result, stream)
    return json.loads(stream.getvalue())


def test_document_of_a_small_result_is_as_worked_out_by_hand(small_result):
    document = _written(small_result)
    assert document == {
        "schema": "earsight.result/1",
        "source": {
            "kind": "video",
            "width": 64,
            "height": 48,
            "rotation_deg": 0,
            "duration_s": 1.0,
            "fps": 25.0,
            "container": "mov,mp4,m4a,3gp,3g2,mj2",
            "video_codec": "h264",
            "audio_codec": "aac",
            "has_audio": True,
            "size_bytes": 1234,
            "sha256": "ab" * 32,
        },
        "model": {
            "name": "tiny",
            "version": "1.0",
            "sha256": "cd" * 32,
            "provider": "CPUExecutionProvider",
        },
        "sampling": {"fps": 4.0, "frames": 2},
        "thresholds": {"heatmap": 0.5, "presence": 0.5, "sounding": 0.5},
        "warnings": [{"code": "audio_missing", "detail": "There is no sound."}],
        "frames": [
            {
                "time_s": 0.0,
                "frame": 0,
                "presence": 0.93,
                "silence": False,
                "heard": [{"label": "Dog", "score": 0.8765}, {"label": "Bark", "score": 0.5}],
                "heatmap": {
                    "grid": [2, 2],
                    "scale": [0, 1],
                    "data": base64.b64encode(bytes([0, 51, 255, 102])).decode(),
                    "peak": {"x": 0.25, "y": 0.75, "score": 1.0},
                },
            },
            {
                "time_s": 0.333333,
                "frame": 8,
                "presence": 0.0,
                "silence": True,
                "heard": [],
                "heatmap": {
                    "grid": [2, 2],
                    "scale": [0, 1],
                    "data": "AAAAAA==",
                    "peak": {"x": 0.25, "y": 0.25, "score": 0.0},
                },
            },
        ],
        "explanations": None,
    }


def test_streamed_document_equals_the_one_built_whole(small_result):
    assert _written(small_result) == result_document(small_result)


def test_result_without_frames_is_valid_json(make_result):
    assert _written(make_result(np.zeros((0, 2, 2))))["frames"] == []


def test_heatmap_survives_base64_within_one_step(make_result):
    heatmap = np.random.default_rng(0).random((3, 16, 16)).astype(np.float32)
    result = make_result(heatmap)
    for index in range(3):
        data = base64.b64decode(frame_document(result.frames, index)["heatmap"]["data"])
        back = np.frombuffer(data, np.uint8).reshape(16, 16) / 255
        assert np.abs(back - heatmap[index]).max() <= 0.5 / 255 + 1e-6


def test_scale_is_the_same_for_a_faint_frame(make_result):
    faint = make_result(np.full((1, 2, 2), 2 / 255))
    document = frame_document(faint.frames, 0)["heatmap"]
    assert document["scale"] == [0, 1]
    assert base64.b64decode(document["data"]) == bytes([2, 2, 2, 2])


def test_writing_holds_one_frame_at_a_time(make_result):
    n = 300
    longest = 0

    class Counting(io.BytesIO):
        def write(self, data):
            nonlocal longest
            longest = max(longest, len(data))
            return super().write(data)

    stream = Counting()
    write_json(make_result(np.zeros((n, 16, 16))), stream)
    assert len(json.loads(stream.getvalue())["frames"]) == n
    assert longest < len(stream.getvalue()) / 100


@pytest.fixture
def detected(make_result) -> Result:
    """A dog in both frames that sounds in the second, and a cat in the first."""
    dog = Detection((0.123456, 0.25, 0.5, 1.0), "dog", 0.9, 0.1, 2)
    cat = Detection((0.0, 0.0, 0.25, 0.5), "cat", 0.65432, 0.2, 1)
    detections = ((dog, cat), (replace(dog, score=0.8, sounding=0.7, sound=Heard("Bark", 0.43216)),))
    return make_result(np.zeros((2, 2, 2)), times_s=[0.0, 1 / 3], detections=detections)


BARK = {"label": "Bark", "score": 0.4322}
CAT_SEEN = {"box": [0.0, 0.0, 0.25, 0.5], "score": 0.6543, "sounding": 0.2, "sound": None}
DOG_SEEN = {"box": [0.1235, 0.25, 0.5, 1.0], "score": 0.9, "sounding": 0.1, "sound": None}
DOG_LATER = DOG_SEEN | {"score": 0.8, "sounding": 0.7, "sound": BARK}
CAT = {"track_id": 1, "label": "cat", "start_s": 0.0, "end_s": 0.0, "score": 0.6543, "sounding": 0.2}
CAT |= {"sound": None}
DOG = {"track_id": 2, "label": "dog", "start_s": 0.0, "end_s": 0.333333, "score": 0.9, "sounding": 0.7}
DOG |= {"sound": BARK}


def test_detections_stand_in_their_frames_and_the_tracks_sum_them_up(detected):
    document = _written(detected)
    assert [frame["detections"] for frame in document["frames"]] == [
        [DOG_SEEN | {"label": "dog", "track_id": 2}, CAT_SEEN | {"label": "cat", "track_id": 1}],
        [DOG_LATER | {"label": "dog", "track_id": 2}],
    ]
    assert document["tracks"] == [CAT, DOG]
    assert document == result_document(detected)


def test_grouped_by_track_they_stand_in_the_tracks_only(detected):
    grouped = replace(detected, group_by="track")
    document = _written(grouped)
    assert all("detections" not in frame for frame in document["frames"])
    cat, dog = document["tracks"]
    first = {"time_s": 0.0, "frame": 0}
    second = {"time_s": 0.333333, "frame": 8}
    assert cat == CAT | {"frames": [first | CAT_SEEN]}
    assert dog == DOG | {"frames": [first | DOG_SEEN, second | DOG_LATER]}
    assert document == result_document(grouped)


def test_nothing_found_is_not_the_same_as_not_asked_for(make_result):
    document = _written(make_result(np.zeros((1, 2, 2)), detections=((),)))
    assert (document["frames"][0]["detections"], document["tracks"]) == ([], [])
    document = _written(make_result(np.zeros((1, 2, 2))))
    assert "detections" not in document["frames"][0]
    assert "tracks" not in document


def test_number_that_json_cannot_hold_is_refused(make_result):
    broken = make_result(np.zeros((1, 2, 2)), presence=[float("nan")])
    with pytest.raises(ValueError, match="not JSON compliant"):
        _written(broken)


def test_an_explanation_is_as_worked_out_by_hand(make_result, dog_explained):
    result = make_result(np.zeros((1, 2, 2)), explanations=(dog_explained,))
    document = _written(result)
    assert document == result_document(result)
    assert document["explanations"] == [
        {
            "start_s": 0.0,
            "end_s": 1.0,
            "event": {"label": "Dog", "score": 0.9123},
            "reason": None,
            "runners_up": [{"label": "Bark", "score": 0.5}, {"label": "Cat", "score": 0.1}],
            "time_s": [0.25, 0.666667],
            "when_audio": [0.75, 0.25],
            "when_visual": [0.5, 0.5],
            "where": {
                "grid": [2, 2],
                "scale": [0, 0.4],
                "data": base64.b64encode(bytes([0, 64, 255, 0, 0, 64, 128, 128])).decode(),
            },
            "sound_share": 0.6667,
            "faithfulness": {
                "picture": {
                    "deletion": 0.2,
                    "insertion": 0.8,
                    "random_deletion": 0.5,
                    "random_insertion": 0.51,
                    "least_deletion": 0.7,
                    "least_insertion": 0.3,
                },
                "sound": {
                    "deletion": 0.1,
                    "insertion": 0.9,
                    "random_deletion": 0.4,
                    "random_insertion": 0.41,
                    "least_deletion": 0.6,
                    "least_insertion": 0.35,
                },
                "without_picture": 0.1235,
                "without_sound": 0.05,
            },
            "counterfactual": {
                "sound": "piano",
                "event": {"label": "Piano", "score": 0.7},
                "score": 0.2,
                "moved": 0.3333,
            },
        }
    ]


def test_small_weights_keep_their_digits(dog_explained):
    rng = np.random.default_rng(0)
    where = rng.random((20, 16, 16)).astype(np.float32)
    where /= where.sum()
    document = explanation_document(replace(dog_explained, where=where))["where"]
    data = np.frombuffer(base64.b64decode(document["data"]), np.uint8).reshape(-1, *document["grid"])
    back = data / 255 * document["scale"][1]
    assert np.abs(back - where).max() <= 0.51 / 255 * where.max()


def test_what_is_missing_in_an_explanation_is_null(make_result, dog_explained):
    vague = replace(dog_explained, counterfactual=None, reason="no_moment")
    (document,) = _written(make_result(np.zeros((1, 2, 2)), explanations=(vague,)))["explanations"]
    assert (document["counterfactual"], document["reason"]) == (None, "no_moment")


def test_nothing_explained_is_not_the_same_as_not_asked_for(make_result):
    assert _written(make_result(np.zeros((1, 2, 2)), explanations=()))["explanations"] == []
    assert _written(make_result(np.zeros((1, 2, 2))))["explanations"] is None
