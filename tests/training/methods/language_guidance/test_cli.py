import re
import subprocess
import sys

import pytest
import torch
from torch.nn import functional
from typer.testing import CliRunner

from training.encoders import efficientnet_lite
from training.methods.language_guidance import language
from training.methods.language_guidance.cli import app


class Letters:
    """Sentences to unit vectors, made from their letters."""

    def encode(self, sentences):
        letters = [[float(sentence.count(letter)) for letter in "aeksowb"] for sentence in sentences]
        return functional.normalize(torch.tensor(letters), dim=1)


@pytest.fixture
def command(folder, tmp_path, classifier, monkeypatch):
    """Runs the command on a folder of pictures, in this process, with a made-up classifier."""
    monkeypatch.setattr(efficientnet_lite, "load_efficientnet_lite", lambda: classifier)
    monkeypatch.setattr(language, "load_minilm", Letters)
    monkeypatch.setattr(language, "class_names", lambda: ["cow", "bee", "yak"])

    def run(*more, images=folder, out="run"):
        sets = [part for value in ("batch=8", "features=2", "names=2") for part in ("--set", value)]
        fixed = [*sets, "--epochs", 1, "--accelerator", "cpu", "--workers", 0]
        return CliRunner().invoke(app, [*map(str, (images, "--out", tmp_path / out, *fixed, *more))])

    return run


@pytest.mark.parametrize("guidance", ["none", "elg", "plg", "shuffled"])
def test_it_trains_and_says_how_unseen_classes_are_retrieved(command, folder, tmp_path, guidance):
    (folder / "bee" / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    result = command("--guidance", guidance, "--base", "infonce")
    assert result.exit_code == 0, result.output
    assert "left out: bee/torn.jpg: " in result.stderr
    assert "20 pictures of 2 classes to train on, 4 to validate by; 24 of 2 unseen classes" in result.stdout
    assert ("train/guidance" in result.stdout) == (guidance != "none")
    for name in ("trained", "features", "untrained"):
        interval = r"[01]\.\d{3} \([01]\.\d{3} to [01]\.\d{3}\)"
        line = rf"^  {name} +R@1 {interval}, R@2 .*, mAP@R {interval}, NMI [01]\.\d{{3}}$"
        assert re.search(line, result.stdout, re.MULTILINE)
    assert (tmp_path / "run" / "best.ckpt").exists()


def test_what_is_wrong_is_said_in_one_line(command, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    one = tmp_path / "one"
    one.mkdir()
    (one / "bee").symlink_to(folder / "bee")
    for number, picture in enumerate((folder / "yak").iterdir()):
        (folder / "bee" / f"more {number}.png").symlink_to(picture)
    for result, message in (
        (command(images=tmp_path / "empty"), "empty has no picture in a sub-folder"),
        (command(images=one), "there are 1 classes"),
        (command("--set", "batch=100"), "a batch of 100 takes 50"),
        (command("--set", "prompt=none"), "prompt"),
        (command("--resume"), "there is no run to resume"),
    ):
        assert result.exit_code == 1
        assert message in result.stderr
        assert result.stderr.count("\n") == 1


def test_an_unknown_guidance_is_misuse(command):
    assert command("--guidance", "sound").exit_code == 2


def test_help_does_not_wait_for_torch():
    program = (
        "import sys, training.methods.language_guidance.cli\n"
        "print(sorted({'torch', 'lightning', 'pytorch_metric_learning', 'PIL'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown == "[]\n"
