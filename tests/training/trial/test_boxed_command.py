"""`earsight-train avdet-trial` on made-up blocks that fit the tiny bundle."""

import json
from functools import partial

import pytest
from typer.testing import CliRunner

import training.trial.boxed_report
from tests.training.methods.avdet.made_blocks import SMALL, blocks, scene
from tests.training.methods.made_scenes import write_scenes
from training.cli import cli
from training.trial.boxed_arms import (
    CENTRE,
    HEAT_BOX,
    SALIENCY_BOX,
    SHUFFLED_AUDIO,
    SHUFFLED_LABELS,
    TRAINED,
    WHOLE,
    WITH_SOUND,
)


@pytest.fixture
def run(tmp_path, tiny_bundles, monkeypatch):
    """Runs the command with a cache to train on and one to measure on."""
    monkeypatch.setenv("EARSIGHT_INFERENCE__BUNDLE_DIRS", json.dumps([str(tiny_bundles)]))
    monkeypatch.setenv("EARSIGHT_INFERENCE__DEVICE", "cpu")
    fewer = partial(training.trial.boxed_report.bootstrap_each, resamples=50)
    monkeypatch.setattr(training.trial.boxed_report, "bootstrap_each", fewer)
    cache = write_scenes(tmp_path / "cache", blocks(24, 8))
    test = write_scenes(tmp_path / "unseen", [scene(n, split="test") for n in range(100, 110)])

    def invoke(*arguments, cache=cache, test=test, bundle="tiny"):
        small = {**SMALL, "heads": 1, "rounds": 0}
        given = [part for key, value in small.items() for part in ("--set", f"{key}={value}")]
        places = ["--cache", cache, "--test", test, "--out", tmp_path / "out", "--bundle", bundle]
        options = ["--seeds", 1, "--epochs", 1, *given, *arguments]
        return CliRunner().invoke(cli, [*map(str, ("avdet-trial", *places, *options))])

    return invoke


def test_a_trial_compares_avdet_with_its_controls_and_goes_on_where_it_was(run, tmp_path):
    result = run()
    assert result.exit_code == 0, result.output
    out = tmp_path / "out"
    content = json.loads((out / "trial.json").read_text())
    assert content["about"]["seeds"] == 1
    assert content["about"]["config"]["clusters"] == 2
    (gallery,) = content["galleries"]
    assert (gallery["name"], gallery["n"], gallery["n_things"]) == ("unseen", 10, 10)
    learned = [TRAINED, WITH_SOUND, SHUFFLED_AUDIO, SHUFFLED_LABELS]
    fixed = [HEAT_BOX, SALIENCY_BOX, CENTRE, WHOLE]
    rows = {row["name"]: row for row in gallery["rows"]}
    assert list(rows) == learned + fixed
    assert rows[HEAT_BOX]["every"]["value"] > 90
    assert rows[WHOLE]["every"]["value"] == 0
    assert sorted(gallery["naming"]) == sorted([TRAINED, SHUFFLED_LABELS])
    table = (out / "trial.md").read_text()
    assert all(f"| {name} |" in table for name in learned + fixed)
    runs = sorted(path.name for path in out.iterdir() if path.is_dir())
    assert runs == ["seed0-audio", "seed0-labels", "seed0-trained"]
    (out / "trial.json").unlink()
    again = run()
    assert again.exit_code == 0, again.output
    assert "epoch 1" not in again.output  # nothing is trained twice
    assert json.loads((out / "trial.json").read_text()) == content


def test_what_is_wrong_is_said_in_a_line_before_anything_is_trained(run, tmp_path):
    unmarked = write_scenes(tmp_path / "unmarked", [scene(0, marked=False, split="test")])
    plain = write_scenes(tmp_path / "plain", [scene(0, class_map=False)], class_map=False)
    without = write_scenes(tmp_path / "without", blocks(24, 0))
    for result, message in (
        (run("--set", "smell=1"), "unknown key smell"),
        (run(bundle="none-such"), "there is no bundle 'none-such'"),
        (run(test=unmarked), "unmarked has no frame whose things are marked"),
        (run(test=plain), "plain has no class maps: make it anew with --fields class_map"),
        (run(cache=without), "validation has no frame whose things are marked"),
    ):
        assert result.exit_code == 1
        assert result.output.startswith("error: ")
        assert message in result.output
        assert result.output.count("\n") == 1
    assert not (tmp_path / "out").exists()
