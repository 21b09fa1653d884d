import io

import numpy as np
import pytest

from app.api.schemas import Frame, Problem, ResultDocument, ResultHead

DETECT = "/v1/detect?model=tiny-detect"


@pytest.fixture
def clip(make_clip):
    """Two seconds; the square goes from left to right, the tone is heard in the second half."""
    return make_clip(bursts=((1.0, 2.0),))


def upload(path):
    return {"file": (path.name, path.read_bytes())}


def boxes(response):
    with np.load(io.BytesIO(response.content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def test_objects_stand_in_the_frames_that_show_them(ask, clip):
    response = ask("POST", DETECT, files=upload(clip))
    assert response.status_code == 200
    result = ResultDocument.model_validate_json(response.content)
    found = [detection for frame in result.frames for detection in frame.detections]
    assert found
    assert {detection.label for detection in found} == {"plain"}
    assert result.thresholds.sounding == 0.5
    assert sorted({detection.track_id for detection in found}) == [track.track_id for track in result.tracks]
    assert all(track.frames is None for track in result.tracks)


def test_an_object_sounds_while_the_sound_is_heard(ask, clip):
    result = ask("POST", DETECT, files=upload(clip)).json()
    sounding = {True: [], False: []}
    for frame in result["frames"]:
        sounding[frame["silence"]] += [detection["sounding"] for detection in frame["detections"]]
    assert max(sounding[True]) < 0.01
    assert min(sounding[False]) > 0.15  # the box of one cell covers a fifth of the heat around it


def test_grouped_by_track_each_object_has_its_frames(ask, clip):
    by_frame = ResultDocument.model_validate_json(ask("POST", DETECT, files=upload(clip)).content)
    response = ask("POST", DETECT, files=upload(clip), data={"group_by": "track"})
    by_track = ResultDocument.model_validate_json(response.content)
    assert all(frame.detections is None for frame in by_track.frames)
    assert sum(len(track.frames) for track in by_track.tracks) == sum(
        len(frame.detections) for frame in by_frame.frames
    )
    for track in by_track.tracks:
        times_s = [frame.time_s for frame in track.frames]
        assert (track.start_s, track.end_s) == (times_s[0], times_s[-1])
        assert track.sounding == max(frame.sounding for frame in track.frames)


@pytest.mark.parametrize("group_by", ["frame", "track"])
def test_ndjson_ends_with_the_tracks(ask, clip, group_by):
    response = ask("POST", f"{DETECT}&format=ndjson&group_by={group_by}", files=upload(clip))
    head, *frames, last = response.text.splitlines()
    assert ResultHead.model_validate_json(head).tracks is None
    assert all(
        (Frame.model_validate_json(line).detections is None) == (group_by == "track") for line in frames
    )
    tracks = ResultHead.model_validate_json(last).tracks
    assert tracks
    assert all((track.frames is None) == (group_by == "frame") for track in tracks)


def test_npz_holds_the_boxes(ask, clip):
    arrays = boxes(ask("POST", f"{DETECT}&format=npz", files=upload(clip)))
    assert arrays["boxes"].shape == (len(arrays["box_frame"]), 4)
    assert set(arrays["box_label"]) == {"plain"}
    assert arrays["box_frame"].max() < len(arrays["time_s"])


def test_analyze_does_all_that_the_bundle_can(ask, clip):
    result = ask("POST", "/v1/analyze?model=tiny-detect", files=upload(clip)).json()
    assert "detections" in result["frames"][0]
    result = ask("POST", "/v1/localize?model=tiny-detect", files=upload(clip)).json()
    assert "detections" not in result["frames"][0]


def test_in_a_clip_without_sound_nothing_sounds(ask, make_clip):
    result = ask("POST", DETECT, files=upload(make_clip(audio=None))).json()
    found = [detection for frame in result["frames"] for detection in frame["detections"]]
    assert found
    assert {detection["sounding"] for detection in found} == {0.0}
    assert [warning["code"] for warning in result["warnings"]] == ["no_audio"]


@pytest.mark.parametrize("format_", ["json", "ndjson"])
def test_a_bundle_that_does_not_detect_says_what_it_offers(ask, clip, scratch, format_):
    response = ask("POST", f"/v1/detect?format={format_}", files=upload(clip))
    problem = Problem.model_validate_json(response.content)
    assert (problem.status, problem.code) == (422, "invalid_request")
    assert "the bundle tiny offers localize; asked for: detect" in problem.detail
    assert not list(scratch.iterdir())


def test_a_format_that_holds_boxes_only_needs_them(ask, clip, monkeypatch):
    assert ask("POST", f"{DETECT}&format=coco", files=upload(clip)).json()["annotations"]
    monkeypatch.setattr("app.jobs.analyst.analyze", None)  # the answer is no before any work is done
    response = ask("POST", "/v1/localize?model=tiny-detect&format=coco", files=upload(clip))
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert "the format coco needs the task detect" in response.json()["detail"]


@pytest.mark.parametrize("place", ["params", "data"])
def test_another_grouping_is_refused_by_name(ask, clip, scratch, place):
    response = ask("POST", "/v1/detect", files=upload(clip), **{place: {"group_by": "nonsense"}})
    problem = Problem.model_validate_json(response.content)
    assert (problem.status, problem.code) == (422, "invalid_request")
    assert "group_by" in problem.detail
    assert not list(scratch.iterdir())
