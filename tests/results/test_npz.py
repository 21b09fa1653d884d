from __future__ import annotations

import io

import numpy as np

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


def test_same_result_gives_the_same_bytes(small_result):
    first, second = io.BytesIO(), io.BytesIO()
    write_npz(small_result, first)
    write_npz(small_result, second)
    assert first.getvalue() == second.getvalue()
