import threading

import numpy as np
import pytest

from app.errors import InternalError
from app.inference import sessions
from app.inference.sessions import CPU, CUDA, GraphRunner, Placement, ProviderMissing, placements
from app.settings import InferenceSettings
from tests import tiny_bundle as tiny


@pytest.fixture(scope="module")
def entry(tmp_path_factory):
    directory = tmp_path_factory.mktemp("graph")
    return tiny.write_graph(
        directory, "audio", tiny.audio_graph(), (tiny.WINDOWS,), (tiny.SCORES, tiny.EMBEDDING)
    )


def _runner(entry, buckets=()) -> GraphRunner:
    placement = Placement(CPU, threads=1, buckets=buckets)
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


def test_one_runs_at_a_time(entry, monkeypatch):
    runner = _runner(entry)
    running, most = 0, 0
    real = runner.session

    class Spy:
        def run(self, outputs, feeds):
            nonlocal running, most
            running += 1
            most = max(most, running)
            threading.Event().wait(0.01)
            result = real.run(outputs, feeds)
            running -= 1
            return result

    monkeypatch.setattr(runner, "session", Spy())
    threads = [threading.Thread(target=runner.run, args=({"windows": _windows(2)},)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_failing_run_is_an_internal_error_that_names_the_graph(entry):
    with pytest.raises(InternalError, match=r"audio\.onnx failed"):
        _runner(entry).run({"windows": np.zeros((1, 7), np.float32)})


def test_the_thread_count_is_explicit(monkeypatch):
    monkeypatch.setattr(sessions, "usable_cores", lambda: 3)
    assert placements(InferenceSettings(device="cpu"))[0].threads == 3
    assert placements(InferenceSettings(device="cpu", threads=5))[0].threads == 5


def test_auto_tries_the_gpu_first_and_keeps_the_cpu_as_a_way_out(monkeypatch):
    class Runtime:
        @staticmethod
        def get_available_providers():
            return [CUDA, CPU]

    monkeypatch.setattr(sessions, "_onnxruntime", lambda: Runtime)
    assert [placement.provider for placement in placements(InferenceSettings())] == [CUDA, CPU]
    assert [placement.provider for placement in placements(InferenceSettings(device="cuda"))] == [CUDA]


def test_a_provider_that_is_not_there_is_told_from_a_bad_model(entry):
    placement = Placement(CUDA, threads=1, buckets=(1,))
    model = tiny.audio_graph().SerializeToString()
    runtime = pytest.importorskip("onnxruntime")
    if CUDA in runtime.get_available_providers():
        pytest.skip("this ONNX Runtime has a CUDA provider")
    with pytest.raises(ProviderMissing):
        GraphRunner(model, entry, placement=placement)
