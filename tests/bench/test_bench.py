import json
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from app.bench import run
from app.bench.clips import repeat_piece, write_piece
from app.bench.environment import environment
from app.bench.figures import Figure, machine, print_figures, write_figures
from app.bench.memory import peak_memory_bytes
from app.bench.speed import added_figures, compared_figures, graph_figures, pipeline_figures
from app.errors import InternalError
from app.media.stream import open_clip
from app.pipeline.analyze import AnalyzeOptions, analyze
from app.settings import Settings


class Watched:
    """The explain graph of a bundle, with a delay, and how many versions each run was asked for."""

    def __init__(self, bundle, *, delay_s=0.0):
        self._runner = bundle.runners["explain"]
        self._delay_s = delay_s
        self.entry, self.buckets = self._runner.entry, self._runner.buckets
        self.versions = []
        self.bundle = replace(bundle, runners={**bundle.runners, "explain": self})

    def run(self, feeds):
        self.versions.append(len(feeds["cells"]))
        time.sleep(self._delay_s)
        return self._runner.run(feeds)


@pytest.fixture(scope="module")
def piece(tmp_path_factory, tiny_settings) -> Path:
    path = tmp_path_factory.mktemp("bench") / "piece.mp4"
    write_piece(path, settings=tiny_settings)
    return path


@pytest.mark.parametrize(("value", "met"), [(0.9, False), (1.0, True), (2.0, True), (2.1, False)])
def test_a_budget_includes_its_bounds(value, met):
    assert Figure("f", value, "x", "", least=1.0, most=2.0).met is met
    assert Figure("f", value, "x", "").met is None


def test_figures_are_told_to_people_and_to_programs(tmp_path, capsys):
    figures = [Figure("speed", 0.5, "x", "a clip", least=1.0), Figure("size", 3.0, "MB", "a file")]
    print_figures(figures, about={"cores": 2})
    printed = capsys.readouterr().out
    assert "at least 1: MISSED" in printed
    assert "a clip" in printed
    write_figures(figures, tmp_path / "new" / "figures.json", about=machine())
    document = json.loads((tmp_path / "new" / "figures.json").read_text())
    assert [figure["met"] for figure in document["figures"]] == [False, None]
    assert document["measured_with"]["cores"] >= 1


def test_a_fresh_process_gets_equal_settings(tiny_settings, monkeypatch):
    for name, value in environment(tiny_settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == tiny_settings


def test_a_repeated_piece_has_the_length_that_was_asked_for(piece, tiny_settings, tmp_path):
    repeat_piece(piece, tmp_path / "long.mp4", duration_s=20)
    with open_clip(
        tmp_path / "long.mp4", size=32, fps=8, limits=tiny_settings.limits, decode=tiny_settings.decode
    ) as stream:
        chunks = list(stream)
        assert stream.source.duration_s == pytest.approx(20, abs=0.1)
        assert (stream.source.width, stream.source.height) == (1280, 720)
        assert stream.source.has_audio
        assert stream.notices == ()
    frames = np.concatenate([chunk.frames for chunk in chunks])
    assert len(frames) == 160
    # A picture that stands still is encoded once only, so the clip must not have any.
    assert all(not np.array_equal(one, other) for one, other in pairwise(frames))


def test_the_overhead_is_taken_on_the_very_inputs_of_the_pipeline(piece, tiny_bundle, tiny_settings):
    speed, overhead = pipeline_figures(tiny_bundle, tiny_settings, piece, content="blocks")
    assert "8 s of 1280x720 (blocks), 64 frames" in speed.measured_on
    assert speed.value > 0
    assert overhead.value > 0  # the graphs of the tiny bundle take next to no time


def test_each_graph_is_timed(tiny_bundle, tiny_settings):
    figures = graph_figures(tiny_bundle, tiny_settings)
    assert [figure.name for figure in figures] == ["visual graph", "audio graph", "localize graph"]
    assert all(figure.value > 0 for figure in figures)


def test_detection_is_measured_where_it_is_offered(piece, tiny_bundle, tiny_detecting_bundle, tiny_settings):
    assert added_figures(tiny_bundle, tiny_settings, piece, content="blocks") == []
    (added,) = added_figures(tiny_detecting_bundle, tiny_settings, piece, content="blocks")
    assert (added.unit, added.most) == ("%", 15)
    assert "8 s of 1280x720 (blocks), 64 frames; medians of 3 by turns" in added.measured_on
    assert "detect graph" in [figure.name for figure in graph_figures(tiny_detecting_bundle, tiny_settings)]


def test_explanation_is_measured_where_it_is_offered(piece, tiny_explaining_bundle, tiny_settings):
    (added,) = added_figures(tiny_explaining_bundle, tiny_settings, piece, content="blocks")
    assert (added.name, added.unit, added.most) == ("time that explain adds to localize", "s", 1)
    assert added.measured_on == (
        "8 s of 1280x720 (blocks), 64 frames; medians of 3 by turns; stretches explained: 4"
    )


def test_explanation_is_charged_with_the_time_that_it_takes(
    sounding_square, tiny_explaining_bundle, tiny_settings
):
    slow = Watched(tiny_explaining_bundle, delay_s=0.1)
    (added,) = added_figures(slow.bundle, tiny_settings, sounding_square, content="square")
    runs = len(slow.versions) / 3  # of one analysis
    assert runs >= 4  # two stretches, each whole and with parts hidden
    assert 0.05 * runs < added.value < 0.3 * runs  # a busy machine delays one analysis more than another


def test_the_explain_graph_is_timed_with_the_versions_that_the_pipeline_asks_for(
    sounding_square, tiny_explaining_bundle, tiny_settings
):
    asked = Watched(tiny_explaining_bundle)
    options = AnalyzeOptions(tasks=("explain",))
    analyze(sounding_square, bundle=asked.bundle, settings=tiny_settings, options=options)
    timed = {figure.name: figure for figure in graph_figures(tiny_explaining_bundle, tiny_settings)}
    for name, versions in (("one version", min(asked.versions)), ("all versions", max(asked.versions))):
        figure = timed[f"explain graph, {name}"]
        assert figure.value > 0
        assert (figure.unit, figure.measured_on) == ("ms", f"noise, 4 steps, versions: {versions}")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_bundle_is_timed_against_the_one_that_it_shares_graphs_with(tiny_bundle, tiny_settings):
    class Slow:
        entry, buckets = tiny_bundle.runners["visual"].entry, tiny_bundle.runners["visual"].buckets

        def run(self, feeds):
            time.sleep(0.05)
            return tiny_bundle.runners["visual"].run(feeds)

    slow = replace(
        tiny_bundle,
        info=replace(tiny_bundle.info, name="slow"),
        runners={**tiny_bundle.runners, "visual": Slow()},
    )
    (ahead,) = compared_figures(tiny_bundle, slow, tiny_settings)
    (behind,) = compared_figures(slow, tiny_bundle, tiny_settings)
    assert ahead.name == "visual graph, times as fast as that of slow"
    assert ahead.value > 3
    assert ahead.met
    assert behind.value < 1
    assert not behind.met


def test_peak_memory_is_that_of_a_whole_process(piece, tiny_settings):
    assert 50e6 < peak_memory_bytes(piece, settings=tiny_settings) < 2e9


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_that_fails_gives_no_figure(tiny_settings, tmp_path, capfd):
    (tmp_path / "bad.mp4").write_text("no clip")
    with pytest.raises(InternalError, match=r"bad\.mp4 ended with 1"):
        peak_memory_bytes(tmp_path / "bad.mp4", settings=tiny_settings)
    capfd.readouterr()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_whole_bench_gives_every_figure_that_has_a_budget(tiny_settings, monkeypatch, tmp_path, capsys):
    for name, duration_s in (("REQUEST_S", 1.0), ("SHORT_S", 2.0), ("QUICK_LONG_S", 3.0)):
        monkeypatch.setattr(run, name, duration_s)
    figures = run.run_bench(tiny_settings, quick=True, json_file=tmp_path / "bench.json")
    assert [figure.name for figure in figures if figure.met is not None] == [
        "cold start to ready",
        "1s clip over HTTP, warm",
        "peak memory, 2s",
        "peak memory, 3s",
        "growth of peak memory",
        "real-time factor at 8 fps",
        "time over bare ONNX Runtime",
    ]
    assert len(json.loads((tmp_path / "bench.json").read_text())["figures"]) == len(figures)
    assert "tiny 1" in capsys.readouterr().out
