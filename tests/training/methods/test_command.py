import pytest
from typer.testing import CliRunner

from training.loop.checkpoint import read_checkpoint
from training.loop.config import ConfigError
from training.methods.cmc.cli import app as cmc
from training.methods.cmc.config import CmcConfig
from training.methods.command import read_settings
from training.methods.sspl.cli import app as sspl
from training.methods.sspl.config import SsplConfig


@pytest.fixture
def run(made_cache, tmp_path):
    def invoke(app, *arguments):
        options = ["--cache", made_cache, "--out", tmp_path / "run", "--accelerator", "cpu", *arguments]
        return CliRunner().invoke(app, [*map(str, options)])

    return invoke


def test_settings_are_numbers_words_and_lists():
    settings = ["rate=0.01", "cells = 3", "objective=core", "frame = learned", 'views=["frame", "audio"]']
    assert read_settings(CmcConfig, None, settings) == CmcConfig(
        rate=0.01, cells=3, objective="core", frame="learned", views=("frame", "audio")
    )
    assert read_settings(SsplConfig, None, ["pcm=true"]).pcm is True
    assert read_settings(CmcConfig, None, None) == CmcConfig()


def test_an_option_counts_more_than_a_setting_and_that_more_than_the_file(tmp_path):
    file = tmp_path / "cmc.toml"
    file.write_text("epochs = 3\nbatch = 4\ncells = 5\n")
    chosen = read_settings(CmcConfig, file, ["batch=6", "epochs=7"], epochs=8)
    assert (chosen.epochs, chosen.batch, chosen.cells) == (8, 6, 5)
    assert read_settings(CmcConfig, file, ["batch=6"], epochs=None).epochs == 3


def test_a_setting_without_value_is_refused():
    with pytest.raises(ConfigError, match="--set rate: write KEY=VALUE"):
        read_settings(CmcConfig, None, ["rate"])


@pytest.mark.parametrize(
    ("app", "settings", "expected"),
    [
        (cmc, ["width=16", "views=['audio','frame','crop']"], ("cmc", 2, ["audio", "frame", "crop"])),
        (sspl, ["pcm=true", "channels=16", "projected=16", "steps=1"], ("sspl", 2, None)),
    ],
)
def test_the_command_trains(run, tmp_path, app, settings, expected):
    options = [part for setting in ("batch=32", *settings) for part in ("--set", setting)]
    result = run(app, "--epochs", 2, "--seed", 3, *options)
    assert result.exit_code == 0, result.output
    checkpoint = read_checkpoint(tmp_path / "run" / "best.ckpt")
    config = checkpoint.config
    assert (checkpoint.method, config["epochs"], config.get("views")) == expected
    again = run(app, "--epochs", 2, "--seed", 3, *options)
    assert again.exit_code == 1
    assert "--resume" in again.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "rat=1"], "error: unknown key rat; there are views, objective"),
        (["--set", "rate=fast"], "rate (given on the command line): input should be a valid number"),
        (["--set", "views=['audio']"], "views are audio, frame and up to two"),
        (["--vgg16", "vgg16.pth"], "error: --vgg16 and --vggish go together"),
        (["--vggish", "vggish.pth"], "error: --vgg16 and --vggish go together"),
        (["--vgg16", "a.pth", "--vggish", "b.pth", "--end-to-end"], "leave out --end-to-end"),
        (["--set", "batch=1"], "batch"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(run, arguments, message):
    result = run(cmc, *arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert result.output.count("\n") == 1
