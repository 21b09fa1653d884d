"""`earsight-train trial` on made-up scenes that fit the tiny bundle."""

import json

import pytest
from typer.testing import CliRunner

from tests.training.methods.made_scenes import scene, scenes, write_scenes
from training.trial.arms import ELSEWHERE, GUIDED, GUIDED_ELSEWHERE, SALIENCY, SHUFFLED, TRAINED, UNTRAINED
from training.trial.cli import app

TINY = {"kinds": 3, "width": 3}


@pytest.fixture
def run(tmp_path, tiny_bundles, monkeypatch):
    """Runs the command with a cache to train on and one to measure on."""
    monkeypatch.setenv("EARSIGHT_INFERENCE__BUNDLE_DIRS", json.dumps([str(tiny_bundles)]))
    monkeypatch.setenv("EARSIGHT_INFERENCE__DEVICE", "cpu")
    cache = write_scenes(tmp_path / "cache", scenes(12, 6, **TINY))
    test = write_scenes(tmp_path / "unseen", [scene(n, split="test", **TINY) for n in range(100, 109)])

    def invoke(method, *, out="out", settings=("batch=8",), bundle="tiny"):
        options = ["--cache", cache, "--test", test, "--out", tmp_path / out, "--bundle", bundle]
        given = [part for setting in settings for part in ("--set", setting)]
        return CliRunner().invoke(app, [*map(str, [method, *options, "--seeds", 1, "--epochs", 1, *given])])

    return invoke


def test_a_trial_compares_a_method_with_its_controls_and_goes_on_where_it_was(run, tmp_path):
    result = run("cmc")
    assert result.exit_code == 0, result.output
    out = tmp_path / "out"
    content = json.loads((out / "trial.json").read_text())
    assert (content["about"]["method"], content["about"]["seeds"]) == ("cmc", 1)
    assert content["about"]["config"]["batch"] == 8
    (gallery,) = content["galleries"]
    assert (gallery["name"], gallery["n"]) == ("unseen", 9)
    learned = [TRAINED, ELSEWHERE, SHUFFLED, UNTRAINED]
    fixed = [GUIDED, GUIDED_ELSEWHERE, SALIENCY, "whole image", "centre disc"]
    rows = {row["name"]: {**row, "name": ""} for row in gallery["rows"]}
    assert list(rows) == learned + fixed
    assert [verdict["control"] for verdict in gallery["verdicts"]] == [UNTRAINED, SHUFFLED]
    # The tiny localiser looks for what is bright, whatever is heard: a thing, the right one or the other.
    assert rows[GUIDED] == rows[GUIDED_ELSEWHERE]
    table = (out / "trial.md").read_text()
    assert all(f"| {name} |" in table for name in learned + fixed)
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["seed0-shuffled", "seed0-trained"]
    again = run("cmc")
    assert again.exit_code == 0, again.output
    assert "epoch 1" not in again.output  # nothing is trained twice
    assert json.loads((out / "trial.json").read_text()) == content


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "elg"}, "there is no method 'elg'; there are cmc, sspl"),
        ({"method": "sspl", "settings": ["smell=1"]}, "unknown key smell"),
        ({"method": "cmc", "bundle": "none-such"}, "there is no bundle 'none-such'"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(run, tmp_path, options, message):
    result = run(**options)
    assert result.exit_code == 1
    assert result.output.startswith("error: ")
    assert message in result.output
    assert not (tmp_path / "out").exists()
