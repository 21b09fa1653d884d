"""`earsight-train add-detector` and `earsight-train keep-detector`."""

import json

import pytest
from typer.testing import CliRunner

from app.inference.bundle import load_bundle
from app.settings import InferenceSettings
from tests.training.methods.made_scenes import WIDTHS, save_untrained
from training.cli import cli
from training.detector import shipped
from training.methods.avdet.loading import load_detector
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc


@pytest.fixture
def run(tiny_bundles, monkeypatch):
    monkeypatch.setenv("EARSIGHT_INFERENCE__BUNDLE_DIRS", json.dumps([str(tiny_bundles)]))
    monkeypatch.setenv("EARSIGHT_INFERENCE__DEVICE", "cpu")

    def invoke(*arguments):
        return CliRunner().invoke(cli, [*map(str, arguments)])

    return invoke


@pytest.fixture
def localiser(tmp_path):
    return save_untrained(Cmc(CmcConfig(width=16), WIDTHS), tmp_path / "cmc.ckpt")


def test_a_detector_is_added_to_a_bundle_that_is_called_like_its_directory(run, checkpoint, tmp_path):
    out = tmp_path / "mine"
    given = ["--bundle", "tiny", "--bundle-version", "2", "--licence", "CC0-1.0", "--training-data", "blocks"]
    result = run("add-detector", checkpoint, "--out", out, *given)
    assert result.exit_code == 0, result.output
    assert f"Bundle mine 2 in {out}: 2 classes" in " ".join(result.output.split())
    manifest = load_bundle(out, InferenceSettings(device="cpu", threads=1)).manifest
    assert (manifest.name, manifest.version, manifest.weights[-1].licence) == ("mine", "2", "CC0-1.0")
    assert manifest.training_data == ("detector: blocks",)


@pytest.mark.parametrize(
    ("bundle", "out", "message"),
    [
        ("none-such", "mine", "there is no bundle 'none-such'"),
        ("tiny", "My Bundle", "'My Bundle' is no name for a bundle"),
    ],
)
def test_what_is_wrong_with_a_bundle_is_said_in_a_line(run, checkpoint, tmp_path, bundle, out, message):
    result = run("add-detector", checkpoint, "--out", tmp_path / out, "--bundle", bundle)
    assert result.exit_code == 1
    assert result.output.startswith("error: ")
    assert message in result.output
    assert result.output.count("\n") == 1
    assert not (tmp_path / out).exists()


def test_a_detector_is_not_put_into_the_bundle_it_is_made_from(run, checkpoint, tiny_bundles):
    result = run("add-detector", checkpoint, "--out", tiny_bundles / "tiny", "--bundle", "tiny")
    assert result.exit_code == 1
    assert "is the bundle itself: name another directory" in result.output


def test_a_detector_can_be_made_that_of_the_default_bundle(run, checkpoint, tmp_path, monkeypatch):
    places = {"weights": tmp_path / "kept.safetensors", "about": tmp_path / "kept.json"}
    monkeypatch.setattr(shipped.keep, "__kwdefaults__", places)
    result = run("keep-detector", checkpoint)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [str(shipped.WEIGHTS), str(shipped.ABOUT)]
    assert shipped.load_shipped(**places).names == load_detector(checkpoint).names


@pytest.mark.parametrize(
    "command", [["keep-detector"], ["add-detector", "--bundle", "tiny", "--out", "mine"]]
)
def test_a_localiser_is_no_detector(run, localiser, monkeypatch, tmp_path, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shipped.keep, "__kwdefaults__", {"weights": tmp_path / "w", "about": tmp_path / "a"})
    result = run(*command, localiser)
    assert result.exit_code == 1
    assert result.output == f"error: {localiser} holds cmc, not a detector\n"
    assert [path.name for path in tmp_path.iterdir()] == ["cmc.ckpt"]
