import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from training.methods.cmc_images.cli import app

SMALL = """
side = 32
crop = 32
width = 0.1
features = 16
negatives = 32
batch = 16
epochs = 2
"""


@pytest.fixture
def command(folder, tmp_path):
    """Runs the command on a folder of pictures, in this process."""
    config = tmp_path / "small.toml"
    config.write_text(SMALL)

    def run(*more, images=folder):
        fixed = ["--config", config, "--accelerator", "cpu", "--devices", 1, "--workers", 0]
        return CliRunner().invoke(app, [*map(str, (images, "--out", tmp_path / "run", *fixed, *more))])

    return run


def test_it_trains_and_says_what_a_probe_reads(command, folder, tmp_path):
    (folder / "dark" / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    result = command("--epochs", 1)
    assert result.exit_code == 0, result.output
    assert "left out: dark/torn.jpg: " in result.stderr
    assert re.search(r"\d+ pictures to train on, \d+ to validate by, classes: 2", result.stdout)
    assert re.search(r"epoch 1 of 1 .*train/loss \d+\.\d+, val/score [01]\.\d+", result.stdout)
    for name in ("trained", "untrained"):
        assert re.search(rf"^  {name} +[01]\.\d{{3}} \(1\.000\)$", result.stdout, re.MULTILINE)
    assert re.search(r"^  largest class +0\.\d{3}$", result.stdout, re.MULTILINE)
    assert (tmp_path / "run" / "best.ckpt").exists()
    assert "holds a run already" in command().stderr


def test_one_class_has_no_probe(command, folder):
    for path in (folder / "light").iterdir():
        path.rename(folder / "dark" / path.name)
    result = command("--epochs", 1)
    assert result.exit_code == 0, result.output
    assert "classes: 1" in result.stdout
    assert "Linear probe" not in result.stdout


def test_what_is_wrong_is_said_in_one_line(command, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "large.toml").write_text("batch = 1000\nside = 32\ncrop = 32\n")
    for result, message in (
        (command(images=tmp_path / "empty"), "empty has no picture in a sub-folder"),
        (command("--config", tmp_path / "large.toml"), "fewer than the 1000 of one batch"),
        (command("--resume"), "there is no run to resume"),
    ):
        assert result.exit_code == 1
        assert message in result.stderr
        assert result.stderr.count("\n") == 1


def test_help_does_not_wait_for_torch():
    program = (
        "import sys, training.methods.cmc_images.cli\n"
        "print(sorted({'torch', 'lightning', 'kornia', 'PIL'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown == "[]\n"
