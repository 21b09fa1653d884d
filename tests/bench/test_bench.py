import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from app.bench import clips, lengths, run
from app.bench.clips import Clips, repeat_piece, write_piece
from app.bench.environment import environment
from app.bench.lengths import analyze_apart, length_figures
from app.bench.overhead import overhead_figures
from app.bench.speed import added_figures, compared_figures, graph_figures
from app.bench.stages import stage_figures
from app.errors import InternalError, InvalidRequest
from app.media.stream import open_clip
from app.pipeline.analyze import analyze
from app.pipeline.options import AnalyzeOptions
from app.settings import JobSettings, Settings, WebhookSettings


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


class Counting:
    """A session that notes what it is run on."""

    def __init__(self, role, session, runs):
        self._role, self._session, self._runs = role, session, runs

    def __getattr__(self, name):
        return getattr(self._session, name)

    def run(self, names, feeds):
        shapes = sorted((name, values.shape, float(values.sum())) for name, values in feeds.items())
        self._runs.append((self._role, shapes))
        return self._session.run(names, feeds)


@pytest.fixture(scope="module")
def piece(tmp_path_factory, tiny_settings) -> Path:
    path = tmp_path_factory.mktemp("bench") / "piece.mp4"
    write_piece(path, settings=tiny_settings)
    return path


def test_a_fresh_process_gets_equal_settings(tiny_settings, monkeypatch, tmp_path):
    jobs = JobSettings(directory=tmp_path, database_url="sqlite:////tmp/jobs")
    settings = tiny_settings.model_copy(
        update={"jobs": jobs, "webhooks": WebhookSettings(secrets=("whsec_AAAA",)), "scratch_dir": tmp_path}
    )
    monkeypatch.setenv("EARSIGHT_JOBS__ARTIFACTS_URL", "/elsewhere")
    given = environment(settings)
    monkeypatch.delenv("EARSIGHT_JOBS__ARTIFACTS_URL")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


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


@pytest.fixture
def quickly_made(monkeypatch):
    """Clips repeat a piece of one second."""
    monkeypatch.setattr(clips, "_PIECE_S", 1)


@pytest.mark.parametrize(("height", "width"), [(360, 640), (1080, 1920)])
def test_clips_come_in_several_sizes(height, width, tiny_settings, tmp_path, quickly_made):
    made = Clips(tmp_path, tiny_settings)
    path = made.get(1.0, height=height)
    assert path == made.get(1.0, height=height)
    assert made.content == "the sample clip, panned"
    with open_clip(path, size=32, fps=1, limits=tiny_settings.limits, decode=tiny_settings.decode) as stream:
        assert (stream.source.width, stream.source.height) == (width, height)


def test_the_overhead_is_taken_on_the_very_inputs_of_the_pipeline(
    piece, tiny_bundle, tiny_settings, monkeypatch
):
    runs = []
    for role, runner in tiny_bundle.runners.items():
        session = Counting(role, runner.session, runs)
        monkeypatch.setattr(runner, "session", session)
        monkeypatch.setattr(runner, "alone", session)
    speed, bare, over, over_cpu = overhead_figures(
        tiny_bundle, tiny_settings, piece, content="blocks", turns=2
    )
    assert "8 s of 1280x720 (blocks), 64 frames; 2 times by turns" in speed.measured_on
    assert bare.value > speed.value > 0
    assert over.value > 0  # the graphs of the tiny bundle take next to no time
    assert over.interval[0] <= over.value <= over.interval[1]
    assert over_cpu.value > 0  # decoding is part of it
    # Recorded, run and replayed; then replayed and run: the same work each time.
    fifth = len(runs) // 5
    assert fifth > 16
    assert all(runs[start : start + fifth] == runs[:fifth] for start in range(0, len(runs), fifth))
    assert all(isinstance(runner.session, Counting) for runner in tiny_bundle.runners.values())


def test_the_stages_are_all_of_the_time(sounding_square, tiny_detecting_bundle, tiny_settings):
    figures = {
        figure.name: figure
        for figure in stage_figures(
            tiny_detecting_bundle, tiny_settings, sounding_square, content="square", turns=1
        )
    }
    shares = [figure.value for name, figure in figures.items() if name.endswith(", share")]
    assert sum(shares) == pytest.approx(100)
    assert len(shares) == 6
    seconds = [figure.value for figure in figures.values() if figure.unit == "s"]
    assert all(value > 0 for value in seconds)
    assert figures["writing an overlay"].value > figures["stage write (JSON)"].value
    assert {path.suffix for path in sounding_square.parent.iterdir()} == {".mp4"}
    assert not (sounding_square.parent / "overlay.mp4").exists()


def test_each_graph_is_timed(tiny_bundle, tiny_settings):
    figures = graph_figures(tiny_bundle, tiny_settings)
    assert [figure.name for figure in figures] == ["visual graph", "audio graph", "localize graph"]
    assert all(figure.value > 0 for figure in figures)


def test_detection_is_measured_where_it_is_offered(piece, tiny_bundle, tiny_detecting_bundle, tiny_settings):
    assert added_figures(tiny_bundle, tiny_settings, piece, content="blocks") == []
    (added,) = added_figures(tiny_detecting_bundle, tiny_settings, piece, content="blocks")
    assert (added.unit, added.most) == ("%", 15)
    assert "8 s of 1280x720 (blocks), 64 frames; 3 times by turns" in added.measured_on
    assert "detect graph" in [figure.name for figure in graph_figures(tiny_detecting_bundle, tiny_settings)]


def test_explanation_is_measured_where_it_is_offered(piece, tiny_explaining_bundle, tiny_settings):
    (added,) = added_figures(tiny_explaining_bundle, tiny_settings, piece, content="blocks")
    assert (added.name, added.unit, added.most) == ("time that explain adds to localize", "s", 1)
    assert added.measured_on == (
        "8 s of 1280x720 (blocks), 64 frames; 3 times by turns; stretches explained: 4"
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
        assert (figure.unit, figure.measured_on) == ("ms", f"noise, 4 steps, versions: {versions}; 10 times")


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


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_longer_clip_is_set_against_the_shorter_one_before_and_after_it(
    tiny_settings, tmp_path, monkeypatch, quickly_made
):
    monkeypatch.setattr(lengths, "MINUTE_S", 2.0)
    figures = {
        figure.name: figure
        for figure in length_figures(Clips(tmp_path, tiny_settings), (2.0, 8.0), tiny_settings)
    }
    assert 50 < figures["peak memory, 2 s"].value < 2000
    assert figures["peak memory, 2 s"].measured_on.endswith("; 2 times")
    assert figures["time per minute, 0.133333 min"].interval is None
    ratio = figures["time per minute, 0.133333 min"].value
    low, high = figures["time per minute, 2 s"].interval
    assert figures["growth of the time per minute"].interval == pytest.approx(
        (100 * (ratio / high - 1), 100 * (ratio / low - 1))
    )
    assert abs(figures["growth of peak memory"].value) < 50


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_that_fails_gives_no_figure(tiny_settings, tmp_path, capfd):
    (tmp_path / "bad.mp4").write_text("no clip")
    with pytest.raises(InternalError, match=r"bad\.mp4 ended with 1"):
        analyze_apart(tmp_path / "bad.mp4", tiny_settings)
    capfd.readouterr()


def test_parts_are_measured_in_their_own_order():
    assert run.parts_of(None) == run.PARTS
    assert run.parts_of(["tasks", "graphs"]) == ("graphs", "tasks")
    with pytest.raises(InvalidRequest, match="no part gravity"):
        run.parts_of(["graphs", "gravity"])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_whole_bench_gives_every_figure_that_has_a_budget(
    tiny_settings, monkeypatch, capsys, quickly_made
):
    monkeypatch.setattr(run, "REQUEST_S", 1.0)
    monkeypatch.setattr(run, "MINUTE_S", 2.0)
    monkeypatch.setattr(lengths, "MINUTE_S", 2.0)
    parts = [part for part in run.PARTS if part != "clients"]  # which test_concurrency.py has
    figures = run.run_bench(tiny_settings, parts=parts, lengths_s=(2.0, 3.0))
    assert [figure.name for figure in figures if figure.met is not None] == [
        "cold start to ready",
        "1 s of 360p over HTTP, real-time factor",
        "1 s of 720p over HTTP",
        "1 s of 720p over HTTP, real-time factor",
        "1 s of 1080p over HTTP, real-time factor",
        "peak memory, 2 s",
        "peak memory, 0.05 min",
        "growth of peak memory",
        "growth of the time per minute",
        "real-time factor at 8 fps",
        "time over bare ONNX Runtime",
    ]
    assert "bundle tiny 1" in capsys.readouterr().out
