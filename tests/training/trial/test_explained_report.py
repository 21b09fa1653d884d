import json
from functools import partial

import pytest
import torch

import training.trial.explained_report
from tests.tiny_bundle import LABELS
from tests.training.methods.stan.made_clips import clip, tiny_teacher, write_clips
from training.cache.index import CacheError
from training.cache.reading import open_cache
from training.evaluation.tables import to_markdown
from training.methods.localiser import Widths
from training.methods.stan.config import StanConfig
from training.methods.stan.module import Stan
from training.metrics.intervals import Estimate
from training.trial.explained_report import Curves, ExplainedReport, Line, report_on, tables, write_json
from training.trial.faithfulness import BASELINES


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    fewer = partial(training.trial.explained_report.bootstrap_mean, resamples=100)
    monkeypatch.setattr(training.trial.explained_report, "bootstrap_mean", fewer)


@pytest.fixture
def make():
    """Makes a network that hears the tone, or one that takes everything for thunder."""

    def stan(*, thunder=False, seed=0):
        torch.manual_seed(seed)
        config = StanConfig(channels=8, looks=2, heads=2, width=4)
        module = Stan(config, Widths(3, 2, 4), (2, 2, 3), LABELS).eval().requires_grad_(False)
        module.network.names.copy_(tiny_teacher(module.perception))
        if thunder:
            module.network.bias[3] = 99
        return module

    return stan


@pytest.fixture
def report_of(tiny_bundle, tmp_path):
    def report(made, trained, *, faithful_clips=9):
        cache = open_cache(write_clips(tmp_path / "test", tiny_bundle, made))
        said = []
        found = report_on(
            cache, "unseen", trained, tiny_bundle.localize, faithful_clips=faithful_clips, say=said.append
        )
        assert said == [f"unseen, seed {number}" for number in range(len(trained))]
        return found

    return report


CLIPS = [
    clip("a", tone=(1, 3), cell=(0, 0)),
    clip("b", tone=(2, 4), cell=(2, 3)),
    clip("c", tone=(2, 3), cell=(3, 3)),
    clip("all the time", tone=(0, 6)),
    clip("no thing", known=False),
]


def rows_of(lines):
    return {line.name: line.figure.value for line in lines}


def test_what_is_counted(make, report_of):
    report = report_of(CLIPS, [make()])
    assert (report.name, report.n) == ("unseen", 4)  # in one no thing is known
    recognition = rows_of(report.recognition)
    assert list(recognition) == [
        "STAN",
        "its picture alone",
        "its sound alone",
        "audio teacher, highest score",
        "always the event that is right most often",
    ]
    assert [value for name, value in recognition.items() if name != "its picture alone"] == [100] * 4
    assert [line.figure.n for line in report.recognition] == [4] * 5
    assert [line.figure.n for line in report.where] == [4] * 4
    assert rows_of(report.where)["localiser"] == 100
    assert rows_of(report.where)["middle of the frame"] == 25  # which only the cell (1, 2) reaches
    # One sounds all the time; step 2 lies in the time of the others.
    assert [line.figure.n for line in report.when] == [3] * 4
    when = rows_of(report.when)
    assert when["audio teacher"] == 100
    assert when["always the step that is right most often"] == 100
    assert [line.ahead is None for line in report.when] == [True] + [False] * 3


def test_the_first_row_is_compared_with_the_others_and_seeds_are_averaged(make, report_of):
    report = report_of(CLIPS, [make(), make(thunder=True)])
    first, _, _, teacher, _ = report.recognition
    assert (first.figure.value, first.seeds) == (50, (100, 0))
    assert teacher.seeds == (100, 100)
    assert (first.ahead, teacher.ahead.value) == (None, -50)


def test_faithfulness_is_measured_on_some_clips(make, report_of):
    report = report_of(CLIPS, [make(), make(seed=1)], faithful_clips=2)
    assert {row.baseline for row in report.picture} == set(BASELINES)
    assert len(report.picture) == 5 * 2
    assert len(report.sound) == 3 * 2
    assert all(row.insertion.n == 2 for row in report.picture + report.sound)
    for row in report.picture + report.sound:
        assert row.over_random[0].value == pytest.approx(row.insertion.value - row.random.value)
        assert row.over_random[1].value == pytest.approx(row.random.value - row.deletion.value)
    own, other = report.picture[0], report.picture[2]
    assert (own.method, own.baseline, other.baseline) == ("STAN", *list(BASELINES)[:1] * 2)
    assert (own.own_insertion, own.own_deletion) == (None, None)
    assert other.own_insertion.value == pytest.approx(own.insertion.value - other.insertion.value)
    assert other.own_deletion.value == pytest.approx(other.deletion.value - own.deletion.value)
    whole, _, deaf, random, moved = report.trust
    assert whole.name == "probability of the event"
    assert deaf.figure.value < whole.figure.value
    assert (random.name, -100 <= random.figure.value <= 100) == (
        "rank correlation of where with that of random weights",
        True,
    )
    assert 0 <= moved.figure.value <= 100
    assert all(len(line.seeds) == 2 and line.ahead is None for line in report.trust)


def test_a_test_without_known_things_has_empty_tables_only(make, report_of):
    report = report_of([clip("a", known=False)], [make()])
    assert report.n == 0
    assert tables(report) == []


def test_a_cache_without_sound_is_refused(make, report_of):
    with pytest.raises(CacheError, match="no example of the cache has sound"):
        report_of([clip("mute", sound=False)], [make()])


def made_report():
    figure = Estimate(50.0, 40.04, 61.0, 9)
    lines = (
        Line("STAN", figure, (48.0, 52.0), None),
        Line("middle", Estimate(20.0, 10.0, 30.0, 9), (20.0, 20.0), Estimate(30.0, -1.5, 52.0, 9)),
    )
    over = Estimate(5.0, 2.0, 8.0, 9)
    rows = (
        Curves("STAN", "mean", figure, figure, figure, (over, over), None, None),
        Curves("other", "mean", figure, figure, figure, (over, over), over, over),
    )
    return ExplainedReport("unseen", 9, lines, lines, (), rows, (), lines[:1])


def test_tables_show_figures_with_intervals():
    recognition, where, picture, trust = tables(made_report())  # what is empty is left out
    assert recognition.title == "unseen: recognition, best event right"
    assert where.rows[0][2:] == ("9", "48.0 52.0", "-")
    assert where.rows[1][0] == "middle"
    assert where.rows[1][3:] == ("-", "30.0 [-1.5, 52.0]")
    assert picture.rows[0][-4:] == ("5.0 [2.0, 8.0]", "5.0 [2.0, 8.0]", "-", "-")
    assert picture.rows[1][-2:] == ("5.0 [2.0, 8.0]", "5.0 [2.0, 8.0]")
    assert "areas in percent" in picture.title
    assert all(len(row) == len(table.header) for table in (where, picture, trust) for row in table.rows)
    assert "| middle |" in to_markdown(where)


def test_all_figures_are_written(tmp_path):
    write_json(tmp_path / "trial.json", [made_report()], {"seeds": 2})
    content = json.loads((tmp_path / "trial.json").read_text())
    assert content["about"] == {"seeds": 2, "baselines": list(BASELINES)}
    (test,) = content["tests"]
    assert test["where"][1]["ahead"] == {"value": 30.0, "low": -1.5, "high": 52.0, "n": 9}
    assert test["picture"][0]["over_random"][0]["low"] == 2.0
