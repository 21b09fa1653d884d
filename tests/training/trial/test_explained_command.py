"""`earsight-train stan-trial` on clips for the tiny bundle."""

import json
from functools import partial

import pytest
from typer.testing import CliRunner

import training.methods.stan.running
import training.trial.explained_report
from tests.training.methods.stan.made_clips import SMALL, clips, tiny_teacher, write_clips
from training.cli import cli


@pytest.fixture
def run(tmp_path, tiny_bundle, tiny_bundles, monkeypatch):
    """Runs the command with a cache to train on and one to measure on, and a teacher for the tiny bundle."""
    monkeypatch.setenv("EARSIGHT_INFERENCE__BUNDLE_DIRS", json.dumps([str(tiny_bundles)]))
    monkeypatch.setenv("EARSIGHT_INFERENCE__DEVICE", "cpu")
    monkeypatch.setattr(training.methods.stan.running, "take_published", tiny_teacher)
    fewer = partial(training.trial.explained_report.bootstrap_mean, resamples=50)
    monkeypatch.setattr(training.trial.explained_report, "bootstrap_mean", fewer)
    made = [*clips(12, split="train"), *clips(4, split="val")]
    cache = write_clips(tmp_path / "cache", tiny_bundle, made)
    test = write_clips(tmp_path / "unseen", tiny_bundle, clips(6, split="test"))

    def invoke(*arguments, cache=cache, test=test, bundle="tiny"):
        given = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
        places = ["--cache", cache, "--test", test, "--out", tmp_path / "out", "--bundle", bundle]
        options = ["--seeds", 1, "--epochs", 1, "--faithful", 3, *given, *arguments]
        return CliRunner().invoke(cli, [*map(str, ("stan-trial", *places, *options))])

    return invoke


def test_a_trial_measures_explanations_and_goes_on_where_it_was(run, tmp_path):
    result = run()
    assert result.exit_code == 0, result.output
    out = tmp_path / "out"
    content = json.loads((out / "trial.json").read_text())
    assert content["about"]["seeds"] == 1
    assert content["about"]["config"]["width"] == SMALL["width"]
    (test,) = content["tests"]
    assert (test["name"], test["n"]) == ("unseen", 6)
    assert [line["figure"]["n"] for line in test["when"]] == [6] * 4
    assert {row["insertion"]["n"] for row in test["picture"] + test["sound"]} == {3}
    table = (out / "trial.md").read_text()
    titles = (
        "recognition, best",
        "where, pointing",
        "when, pointing",
        "cells of the picture",
        "steps of the",
    )
    for title in (*titles, "what explanations hang on"):
        assert title in table
    assert [path.name for path in out.iterdir() if path.is_dir()] == ["seed0"]
    (out / "trial.json").unlink()
    again = run()
    assert again.exit_code == 0, again.output
    assert "epoch 1" not in again.output  # nothing is trained twice
    assert json.loads((out / "trial.json").read_text()) == content


def test_what_is_wrong_is_said_in_a_line_before_anything_is_trained(run, tmp_path, tiny_bundle):
    without = write_clips(tmp_path / "without", tiny_bundle, clips(6, split="train"))
    plain = write_clips(
        tmp_path / "plain",
        tiny_bundle,
        [*clips(6, split="train"), *clips(2, split="val")],
        class_map=False,
    )
    for result, message in (
        (run("--set", "smell=1"), "unknown key smell"),
        (run(bundle="none-such"), "there is no bundle 'none-such'"),
        (run(cache=plain), "no class maps: make"),
    ):
        assert result.exit_code == 1
        assert "error: " in result.output
        assert message in result.output
    assert "hold no validation examples" in run(cache=without).output
    assert not (tmp_path / "out" / "seed0" / "best.ckpt").exists()
