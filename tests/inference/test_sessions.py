import os
import sys
import threading
import types
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest

from app.errors import InternalError
from app.inference import sessions
from app.inference.sessions import (
    CPU,
    CUDA,
    TENSORRT,
    GraphRunner,
    Placement,
    ProviderMissing,
    placements,
    runtime_version,
)
from app.settings import InferenceSettings
from tests import tiny_bundle as tiny


@pytest.fixture(scope="module")
def entry(tmp_path_factory):
    directory = tmp_path_factory.mktemp("graph")
    return tiny.write_graph(
        directory, "audio", tiny.audio_graph(), (tiny.WINDOWS,), (tiny.SCORES, tiny.EMBEDDING)
    )


def _runner(entry, buckets=(), *, streams=1) -> GraphRunner:
    placement = Placement(CPU, threads=streams, buckets=buckets, streams=streams)
    return GraphRunner(tiny.audio_graph().SerializeToString(), entry, placement=placement)


def _windows(count: int) -> np.ndarray:
    levels = np.linspace(0.05, 0.5, count, dtype=np.float32)
    return np.repeat(levels[:, None], tiny.WINDOW_SAMPLES, axis=1)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 9])
def test_padding_to_buckets_changes_nothing(entry, count):
    plain = _runner(entry).run({"windows": _windows(count)})
    padded = _runner(entry, buckets=(2, 4)).run({"windows": _windows(count)})
    assert padded["scores"].shape == (count, len(tiny.LABELS))
    for name in ("scores", "embedding"):
        np.testing.assert_array_equal(padded[name], plain[name])


def test_only_the_sizes_of_the_buckets_reach_the_session(entry, monkeypatch):
    runner = _runner(entry, buckets=(2, 4))
    seen = []

    class Spy:
        def __init__(self, session):
            self._session = session

        def run(self, outputs, feeds):
            seen.append(len(feeds["windows"]))
            return self._session.run(outputs, feeds)

    monkeypatch.setattr(runner, "session", Spy(runner.session))
    for count in (1, 2, 3, 9):
        runner.run({"windows": _windows(count)})
    assert seen == [2, 2, 4, 4, 4, 2]


class Together:
    """A session that notes how many runs it has at the same time, and of how many items each."""

    def __init__(self, session):
        self._session = session
        self._lock = threading.Lock()
        self._running = 0
        self.most = 0
        self.sizes = []

    def run(self, outputs, feeds):
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
            self.sizes.append(len(feeds["windows"]))
        threading.Event().wait(0.05)
        found = self._session.run(outputs, feeds)
        with self._lock:
            self._running -= 1
        return found


@pytest.mark.parametrize(
    ("count", "pieces"),
    [(1, [1]), (2, [1, 1]), (4, [1, 1, 1, 1]), (7, [1, 2, 2, 2]), (32, [8, 8, 8, 8])],
)
def test_a_batch_is_cut_into_two_pieces_for_each_stream(entry, count, pieces, monkeypatch):
    runner = _runner(entry, streams=2)
    together = Together(runner.session)
    monkeypatch.setattr(runner, "session", together)
    monkeypatch.setattr(runner, "alone", together)
    found = runner.run({"windows": _windows(count)})
    assert sorted(together.sizes) == pieces
    assert together.most == min(count, 2)
    expected = _runner(entry).run({"windows": _windows(count)})
    for name in ("scores", "embedding"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)


def test_a_row_that_comes_alone_has_all_threads_where_that_is_asked_for(entry):
    model, windows = tiny.audio_graph().SerializeToString(), _windows(1)
    place = Placement(CPU, threads=3, streams=3)
    shared, own = (
        GraphRunner(model, entry, placement=replace(place, alone=alone)) for alone in (False, True)
    )
    assert shared.alone is shared.session
    assert own.session.get_session_options().intra_op_num_threads == 1
    assert own.alone.get_session_options().intra_op_num_threads == 3
    own.session = None  # so that only the other one can answer
    np.testing.assert_array_equal(
        own.run({"windows": windows})["scores"], shared.run({"windows": windows})["scores"]
    )


def test_a_piece_that_fails_fails_the_batch(entry):
    with pytest.raises(InternalError, match=r"audio\.onnx failed"):
        _runner(entry, streams=2).run({"windows": np.zeros((3, 7), np.float32)})


def test_one_batch_runs_at_a_time(entry, monkeypatch):
    runner = _runner(entry)
    together = Together(runner.session)
    monkeypatch.setattr(runner, "session", together)
    monkeypatch.setattr(runner, "alone", together)
    threads = [threading.Thread(target=runner.run, args=({"windows": _windows(2)},)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(together.sizes) == 4
    assert together.most == 1


def test_a_failing_run_is_an_internal_error_that_names_the_graph(entry):
    with pytest.raises(InternalError, match=r"audio\.onnx failed"):
        _runner(entry).run({"windows": np.zeros((1, 7), np.float32)})


def test_the_thread_count_is_explicit(monkeypatch):
    monkeypatch.setattr(sessions, "usable_cores", lambda: 3)
    assert placements(InferenceSettings(device="cpu"))[0].threads == 3
    assert placements(InferenceSettings(device="cpu", threads=5))[0].threads == 5


@pytest.mark.parametrize(
    ("threads", "wanted", "streams", "in_an_operator"),
    [(1, 0, 1, 1), (2, 0, 2, 1), (4, 0, 4, 1), (16, 0, 4, 13), (16, 8, 8, 9), (4, 8, 4, 1), (2, 1, 1, 2)],
)
def test_no_more_threads_compute_than_are_allowed(entry, threads, wanted, streams, in_an_operator):
    settings = InferenceSettings(device="cpu", threads=threads, streams=wanted)
    placement = placements(settings)[0]
    assert placement.streams == streams
    runner = GraphRunner(tiny.audio_graph().SerializeToString(), entry, placement=placement)
    assert runner.session.get_session_options().intra_op_num_threads == in_an_operator


@pytest.mark.parametrize(("set_to", "left"), [(None, "1"), ("0", "0")])
def test_the_runtime_reports_to_nobody_unless_it_is_told_to(monkeypatch, set_to, left):
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    if set_to is not None:
        monkeypatch.setenv("ORT_DISABLE_TELEMETRY", set_to)
    runtime_version()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == left


class GpuRuntime:
    """Stands for ONNX Runtime with a GPU that does not answer, and keeps what it was asked for."""

    ExecutionMode, SessionOptions = onnxruntime.ExecutionMode, onnxruntime.SessionOptions

    def __init__(self):
        self.asked = []

    def get_available_providers(self):
        return [TENSORRT, CUDA, CPU]

    def preload_dlls(self):
        pass

    def InferenceSession(self, *_, providers, **__):
        self.asked = providers
        raise RuntimeError("no device")


@pytest.fixture
def gpu_runtime(monkeypatch):
    runtime = GpuRuntime()
    monkeypatch.setattr(sessions, "_onnxruntime", lambda: runtime)
    return runtime


@pytest.mark.parametrize(
    ("device", "providers"),
    [("auto", [CUDA, CPU]), ("cpu", [CPU]), ("cuda", [CUDA]), ("tensorrt", [TENSORRT])],
)
def test_auto_tries_the_gpu_first_and_keeps_the_cpu_as_a_way_out(gpu_runtime, device, providers):
    found = placements(InferenceSettings(device=device))
    assert [placement.provider for placement in found] == providers


@pytest.mark.parametrize(("precision", "half"), [("fp16", "True"), ("fp32", "False")])
def test_tensorrt_is_as_exact_as_the_graph_says_and_keeps_its_engines(
    entry, tmp_path, monkeypatch, gpu_runtime, precision, half
):
    monkeypatch.setitem(sys.modules, "tensorrt", types.ModuleType("tensorrt"))
    settings = InferenceSettings(device="tensorrt", engines_dir=tmp_path / "engines")
    entry = entry.model_copy(update={"precision": precision})
    with pytest.raises(ProviderMissing, match="no device"):
        GraphRunner(b"", entry, placement=placements(settings)[0])
    (first, options), (second, _), last = gpu_runtime.asked
    assert [first, second, last] == [TENSORRT, CUDA, CPU]
    assert options["trt_fp16_enable"] == half
    assert options["trt_engine_cache_path"] == str(tmp_path / "engines")
    assert (tmp_path / "engines").is_dir()


def test_tensorrt_without_its_libraries_says_what_to_install(entry, monkeypatch, gpu_runtime):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(ProviderMissing, match=r"earsight\[tensorrt\]"):
        GraphRunner(b"", entry, placement=placements(InferenceSettings(device="tensorrt"))[0])


def test_a_provider_that_is_not_there_is_told_from_a_bad_model(entry):
    placement = Placement(CUDA, threads=1, buckets=(1,))
    model = tiny.audio_graph().SerializeToString()
    runtime = pytest.importorskip("onnxruntime")
    if CUDA in runtime.get_available_providers():
        pytest.skip("this ONNX Runtime has a CUDA provider")
    with pytest.raises(ProviderMissing):
        GraphRunner(model, entry, placement=placement)
