"""`earsight-train guidance-trial` on made-up scenes."""

import json

import pytest
import torch
from typer.testing import CliRunner

from tests.training.methods.made_scenes import scene, scenes, write_scenes
from training.methods.cmc import language
from training.trial.guidance import ARMS, FIGURES, UNTRAINED
from training.trial.guidance_cli import app


class Words:
    def encode(self, sentences):
        angles = torch.arange(len(sentences)) / len(sentences)
        return torch.stack([angles.cos(), angles.sin()], 1)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command with a cache to train on and one to measure on."""
    monkeypatch.setattr(language, "load_minilm", Words)
    cache = write_scenes(tmp_path / "cache", scenes(12, 6))
    test = write_scenes(tmp_path / "unseen", [scene(n, split="test") for n in range(100, 109)])

    def invoke(*settings):
        options = ["--cache", cache, "--test", test, "--out", tmp_path / "out", "--seeds", 1, "--epochs", 1]
        given = [part for setting in settings for part in ("--set", setting)]
        return CliRunner().invoke(app, [*map(str, [*options, *given])])

    return invoke


def test_a_trial_compares_the_arms_and_goes_on_where_it_was(run, tmp_path):
    result = run("batch=8", "width=16")
    assert result.exit_code == 0, result.output
    out = tmp_path / "out"
    content = json.loads((out / "guidance.json").read_text())
    assert (content["about"]["config"]["batch"], content["about"]["seeds"]) == (8, 1)
    (gallery,) = content["galleries"]
    assert (gallery["name"], gallery["n"]) == ("unseen", 9)
    assert list(gallery["arms"]) == [*ARMS, UNTRAINED]
    assert all(list(arm) == list(FIGURES) for arm in gallery["arms"].values())
    assert all(f"| {name} |" in (out / "guidance.md").read_text() for name in FIGURES)
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == sorted(
        f"{arm}-seed0" for arm in ARMS
    )
    again = run("batch=8", "width=16")
    assert again.exit_code == 0, again.output
    assert "epoch 1" not in again.output  # nothing is trained twice
    assert json.loads((out / "guidance.json").read_text()) == content


def test_what_is_wrong_is_said_in_a_line(run, tmp_path):
    result = run("smell=1")
    assert result.exit_code == 1
    assert result.output.startswith("error: ")
    assert "unknown key smell" in result.output
    assert not (tmp_path / "out").exists()
