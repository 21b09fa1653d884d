import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from training.loop import options


@pytest.fixture
def run():
    """A command with all shared options, which prints what it was given."""
    app = typer.Typer()

    @app.command()
    def command(
        cache: options.CacheDirs,
        out: options.OutDir,
        config: options.ConfigFile = None,
        seed: options.Seed = 0,
        devices: options.Devices = "auto",
        accelerator: options.AcceleratorName = "auto",
        num_nodes: options.NumNodes = 1,
        precision: options.PrecisionName = "32-true",
        resume: options.Resume = False,
        epochs: options.Epochs = None,
        minutes: options.Minutes = None,
        end_to_end: options.EndToEnd = False,
    ) -> None:
        typer.echo(
            (len(cache), out.name, config, seed, devices, accelerator, num_nodes, precision, resume, epochs)
        )
        typer.echo((minutes, end_to_end))

    return lambda *arguments: CliRunner().invoke(app, [*map(str, arguments)])


def test_all_options_have_a_place(run, tmp_path):
    result = run("--cache", tmp_path, "--out", "run")
    assert result.output.splitlines() == [
        "(1, 'run', None, 0, 'auto', 'auto', 1, '32-true', False, None)",
        "(None, False)",
    ]
    given = [
        "--seed",
        3,
        "--devices",
        2,
        "--accelerator",
        "cpu",
        "--num-nodes",
        4,
        "--precision",
        "bf16-mixed",
    ]
    given += ["--resume", "--epochs", 9, "--minutes", 0.5, "--end-to-end"]
    result = run("--cache", tmp_path, "--cache", tmp_path, "--out", "run", *given)
    assert result.output.splitlines() == [
        "(2, 'run', None, 3, '2', 'cpu', 4, 'bf16-mixed', True, 9)",
        "(0.5, True)",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--devices", "many"), "'many' is neither a number of devices nor auto"),
        (("--devices", "0"), "'0' is neither"),
        (("--precision", "8"), "'8' is not one of"),
        (("--epochs", "0"), "should be greater than or equal to 1"),
        (("--config", "none.toml"), "'none.toml' does not exist"),
    ],
)
def test_misuse_is_said(run, tmp_path, given, message):
    result = run("--cache", tmp_path, "--out", "run", *given)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


def test_a_cache_must_be_there(run, tmp_path):
    result = run("--cache", tmp_path / "none", "--out", "run")
    assert result.exit_code == 2
    assert "does not exist" in " ".join(result.output.replace("│", " ").split())


def test_a_cache_may_be_at_a_url(run):
    assert run("--cache", "s3://bucket/cache", "--out", "run").exit_code == 0


@pytest.mark.parametrize("module", ["training.loop.options", "training.cache.cli"])
def test_help_does_not_wait_for_torch(module):
    program = (
        f"import sys, {module}; print(sorted({{'torch', 'lightning', 'kornia', 'onnx'}} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown == "[]\n"
