from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from app.results.model import Detection, Heard
from app.results.npz import write_npz


def test_archive_holds_the_exact_arrays_without_pickle(make_result):
    heatmap = np.random.default_rng(1).random((3, 16, 16)).astype(np.float32)
    result = make_result(heatmap, presence=[0.1, 0.2, 0.3])
    stream = io.BytesIO()
    write_npz(result, stream)
    stream.seek(0)
    with np.load(stream, allow_pickle=False) as archive:
        assert set(archive.files) == {"time_s", "heatmap", "presence"}
        assert archive["time_s"].dtype == np.float64
        assert archive["heatmap"].dtype == np.float32
        assert archive["presence"].dtype == np.float32
        np.testing.assert_array_equal(archive["time_s"], result.frames.time_s)
        np.testing.assert_array_equal(archive["heatmap"], heatmap)
        np.testing.assert_array_equal(archive["presence"], result.frames.presence)


def test_boxes_of_all_frames_follow_each_other(make_result):
    dog = Detection((0.1, 0.25, 0.5, 1.0), "dog", 0.9, 0.1, 2, Heard("Bark", 0.4))
    cat = Detection((0.0, 0.0, 0.25, 0.5), "Katze", 0.65, 0.2, 1)
    stream = io.BytesIO()
    write_npz(make_result(np.zeros((3, 2, 2)), detections=((dog, cat), (), (dog,))), stream)
    stream.seek(0)
    with np.load(stream, allow_pickle=False) as archive:
        assert archive["boxes"].dtype == np.float32
        np.testing.assert_array_equal(archive["boxes"], np.float32([dog.box, cat.box, dog.box]))
        assert archive["box_frame"].tolist() == [0, 0, 2]
        assert archive["box_score"].tolist() == pytest.approx([0.9, 0.65, 0.9])
        assert archive["box_sounding"].tolist() == pytest.approx([0.1, 0.2, 0.1])
        assert archive["box_label"].tolist() == ["dog", "Katze", "dog"]
        assert archive["box_sound"].tolist() == ["Bark", "", "Bark"]
        assert archive["box_track"].tolist() == [2, 1, 2]
        assert {archive[name].dtype for name in ("box_score", "box_sounding")} == {np.dtype(np.float32)}
        assert {archive[name].dtype for name in ("box_frame", "box_track")} == {np.dtype(np.int64)}


def test_no_box_in_any_frame_gives_empty_arrays(make_result):
    stream = io.BytesIO()
    write_npz(make_result(np.zeros((1, 2, 2)), detections=((),)), stream)
    stream.seek(0)
    with np.load(stream, allow_pickle=False) as archive:
        assert archive["boxes"].shape == (0, 4)
        assert archive["box_label"].shape == archive["box_sound"].shape == (0,)
        assert archive["box_sound"].dtype.kind == "U"


def test_same_result_gives_the_same_bytes(small_result):
    first, second = io.BytesIO(), io.BytesIO()
    write_npz(small_result, first)
    write_npz(small_result, second)
    assert first.getvalue() == second.getvalue()


def test_steps_of_all_stretches_follow_each_other(make_result, dog_explained):
    second = replace(dog_explained, start_s=10.0, time_s=np.array([10.1, 11.9]), reason="unsure")
    result = make_result(np.zeros((3, 2, 2)), explanations=(dog_explained, second))
    stream = io.BytesIO()
    write_npz(result, stream)
    stream.seek(0)
    with np.load(stream, allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["explain_time_s"], [0.25, 2 / 3, 10.1, 11.9])
        assert archive["explain_start_s"].tolist() == [0, 0, 10, 10]
        assert archive["when_audio"].tolist() == [0.75, 0.25, 0.75, 0.25]
        assert archive["when_visual"].tolist() == [0.5] * 4
        np.testing.assert_array_equal(archive["where"], np.concatenate([dog_explained.where] * 2))
        assert {archive[name].dtype for name in ("explain_time_s", "explain_start_s")} == {np.dtype("f8")}
        assert {archive[name].dtype for name in ("when_audio", "when_visual", "where")} == {np.dtype("f4")}


def test_no_explanation_gives_empty_arrays(make_result):
    stream = io.BytesIO()
    write_npz(make_result(np.zeros((1, 2, 2)), explanations=()), stream)
    stream.seek(0)
    with np.load(stream, allow_pickle=False) as archive:
        assert archive["where"].shape == (0, 2, 2)
        assert archive["explain_start_s"].shape == archive["when_audio"].shape == (0,)
