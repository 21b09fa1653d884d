"""`earsight-train stan` on clips for the tiny bundle."""

import json

import pytest
import torch
from typer.testing import CliRunner

import training.methods.stan.running
from tests.training.methods.made_scenes import save_untrained
from tests.training.methods.stan.made_clips import SMALL, clips, tiny_teacher, write_clips
from training.cli import cli
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc
from training.methods.localiser import Widths
from training.methods.stan.loading import load_explainer


@pytest.fixture
def run(clip_cache, tmp_path, tiny_bundles, monkeypatch):
    """Runs the command on the clips, with a teacher for the tiny bundle."""
    monkeypatch.setenv("EARSIGHT_INFERENCE__BUNDLE_DIRS", json.dumps([str(tiny_bundles)]))
    monkeypatch.setenv("EARSIGHT_INFERENCE__DEVICE", "cpu")
    monkeypatch.setattr(training.methods.stan.running, "take_published", tiny_teacher)

    def invoke(*arguments, cache=clip_cache):
        small = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
        places = ["--cache", cache, "--out", tmp_path / "run", "--bundle", "tiny", "--accelerator", "cpu"]
        return CliRunner().invoke(cli, [*map(str, ("stan", *places, *small, "--epochs", 1, *arguments))])

    return invoke


def test_the_command_trains_an_explainer(run, tmp_path):
    result = run("--seed", 3)
    assert result.exit_code == 0, result.output
    assert "16 training clips, 16 of them with another's sound; 6 to validate" in result.output
    explainer = load_explainer(tmp_path / "run" / "best.ckpt")
    assert (explainer.config.epochs, explainer.config.width) == (1, 4)
    again = run("--seed", 3)
    assert again.exit_code == 1
    assert "--resume" in again.output
    assert run("--seed", 3, "--resume").exit_code == 0


def test_the_control_reaches_the_training(run):
    mixed = run("--shuffled-audio")
    assert mixed.exit_code == 0, mixed.output
    assert "16 training clips, 16 of them with another's sound" in mixed.output


def test_a_checkpoint_can_give_the_heat(run, tmp_path):
    torch.manual_seed(0)
    path = save_untrained(Cmc(CmcConfig(width=16), Widths(3, 2, 4)), tmp_path / "cmc.ckpt")
    trained = []
    for arguments in (("--localiser", path), ()):
        result = run(*arguments, "--out", tmp_path / f"run{len(trained)}")
        assert result.exit_code == 0, result.output
        trained.append(load_explainer(tmp_path / f"run{len(trained)}" / "best.ckpt"))
    assert not torch.equal(trained[0].network.values, trained[1].network.values)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "smell=1"], "unknown key smell"),
        (["--set", "mismatched=2"], "mismatched (given on the command line): input should be less than"),
        (["--bundle", "none-such"], "there is no bundle 'none-such'"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(run, tmp_path, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.output.startswith("error: ")
    assert message in result.output
    assert result.output.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_cache_without_class_maps_is_refused_in_a_line(run, tiny_bundle, tmp_path):
    made = [*clips(4, split="train"), *clips(2, split="val")]
    result = run(cache=write_clips(tmp_path / "cache", tiny_bundle, made, class_map=False))
    assert result.exit_code == 1
    assert "no class maps: make" in result.output
    assert result.output.count("\n") == 1
