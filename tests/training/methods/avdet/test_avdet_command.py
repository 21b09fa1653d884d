import json

import pytest
import torch
from typer.testing import CliRunner

from tests.training.methods.avdet.made_blocks import SMALL, blocks
from tests.training.methods.made_scenes import save_untrained, write_scenes
from training.cli import cli
from training.loop.checkpoint import read_checkpoint
from training.methods.avdet.loading import load_detector
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc
from training.methods.localiser import Widths


@pytest.fixture
def run(block_cache, tmp_path, tiny_bundles, monkeypatch):
    """Runs the command on the blocks, with the localiser of the tiny bundle."""
    monkeypatch.setenv("EARSIGHT_INFERENCE__BUNDLE_DIRS", json.dumps([str(tiny_bundles)]))
    monkeypatch.setenv("EARSIGHT_INFERENCE__DEVICE", "cpu")

    def invoke(*arguments, cache=block_cache):
        small = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
        places = ["--cache", cache, "--out", tmp_path / "run", "--bundle", "tiny", "--accelerator", "cpu"]
        return CliRunner().invoke(cli, [*map(str, ("avdet", *places, *small, "--epochs", 1, *arguments))])

    return invoke


def test_the_command_trains_a_detector_with_the_localiser_of_a_bundle(run, tmp_path):
    result = run("--seed", 3)
    assert result.exit_code == 0, result.output
    assert "sound and sight agree on" in result.output
    detector = load_detector(tmp_path / "run" / "best.ckpt")
    assert sorted(detector.names) == ["cyan", "red"]
    assert (detector.config.epochs, detector.config.width) == (1, 16)
    again = run("--seed", 3)
    assert again.exit_code == 1
    assert "--resume" in again.output
    assert run("--seed", 3, "--resume").exit_code == 0


def test_a_run_can_be_cut_short(run, tmp_path):
    result = run("--minutes", 0, "--set", "heads=1")
    assert result.exit_code == 0
    assert "give the same command with --resume" in result.output
    resumed = run("--resume", "--set", "heads=1")
    assert resumed.exit_code == 0
    assert "Finished: 1 epochs" in resumed.output


def test_the_controls_reach_the_training(run):
    mixed = run("--shuffled-audio", "--shuffled-labels", "--set", "heads=1")
    assert mixed.exit_code == 0, mixed.output
    assert "sound and sight agree on 100%" not in mixed.output


def test_a_checkpoint_can_give_the_heat(run, tmp_path):
    """That of one that has learned nothing, and is never sure of a source."""
    torch.manual_seed(0)
    module = Cmc(CmcConfig(width=16), Widths(3, 2, 4))
    module.slope.fill_(1), module.contrast.fill_(0), module.offset.fill_(-3)
    path = save_untrained(module, tmp_path / "cmc.ckpt")
    result = run("--localiser", path)
    assert result.exit_code == 1
    assert "error: only 0 of 96 training frames give a plausible box" in result.output
    bold = run("--localiser", path, "--set", "faintest=0", "--set", "smallest=0", "--set", "largest=1")
    assert bold.exit_code == 0, bold.output
    assert read_checkpoint(tmp_path / "run" / "best.ckpt").method == "avdet"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "smell=1"], "unknown key smell"),
        (["--set", "beta=1"], "beta (given on the command line): input should be less than 1"),
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


def test_a_cache_without_class_maps_is_refused_in_a_line(run, tmp_path):
    cache = write_scenes(tmp_path / "cache", blocks(12, 4, class_map=False), class_map=False)
    result = run(cache=cache)
    assert result.exit_code == 1
    assert "no class maps: make" in result.output
    assert result.output.count("\n") == 1
