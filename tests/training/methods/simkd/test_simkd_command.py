import pytest
from typer.testing import CliRunner

from tests.training.methods.simkd.made_students import SMALL, made, write_pictures
from training.cli import cli
from training.methods.simkd.loading import load_student


@pytest.fixture
def run(pictures, weights, tmp_path):
    """Runs the command on the pictures."""

    def invoke(*arguments, cache=pictures):
        small = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
        places = ["--cache", cache, "--out", tmp_path / "run", "--accelerator", "cpu"]
        return CliRunner().invoke(cli, [*map(str, ("simkd", *places, *small, "--epochs", 1, *arguments))])

    return invoke


def test_the_command_trains_a_student(run, tmp_path):
    result = run("--seed", 3)
    assert result.exit_code == 0, result.output
    assert "12 frames to learn from" in result.output
    assert load_student(tmp_path / "run" / "best.ckpt")[1] is None
    again = run("--seed", 3)
    assert again.exit_code == 1
    assert "--resume" in again.output
    assert run("--seed", 3, "--resume").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "smell=1"], "unknown key smell"),
        (["--set", "side=100"], "side (given on the command line): input should be a multiple of 32"),
        (["--objective", "alone"], "a localiser of 16 x 16 tokens"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(run, tmp_path, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.output.startswith("error: ")
    assert message in result.output.lower()
    assert result.output.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_cache_without_frames_is_refused_in_a_line(run, tiny_bundle, tmp_path):
    examples = [made("a"), made("b", "val")]
    result = run(cache=write_pictures(tmp_path / "cache", tiny_bundle, examples, raw=False))
    assert result.exit_code == 1
    assert "holds no frames: make it anew with --fields class_map,raw" in result.output
    assert result.output.count("\n") == 1


def test_an_objective_that_does_not_exist_is_misuse(run):
    assert run("--objective", "guess").exit_code == 2
