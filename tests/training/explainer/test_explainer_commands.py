"""`earsight-train add-explainer` and `earsight-train keep-explainer`."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from app.inference.bundle import load_bundle
from app.inference.manifest import read_manifest
from app.settings import InferenceSettings
from tests.training.methods.made_scenes import WIDTHS, save_untrained
from training.cli import cli
from training.explainer import references, shipped
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc


@pytest.fixture
def run(tiny_bundles, monkeypatch):
    """Runs a command in this process; two levels take the place of sounds that would have to be fetched."""
    monkeypatch.setenv("EARSIGHT_INFERENCE__BUNDLE_DIRS", json.dumps([str(tiny_bundles)]))
    monkeypatch.setenv("EARSIGHT_INFERENCE__DEVICE", "cpu")
    sounds = {name: np.full(32_000, level, np.float32) for name, level in (("loud", 0.5), ("soft", 0.25))}
    monkeypatch.setattr(references, "reference_sounds", lambda: sounds)

    def invoke(*arguments):
        return CliRunner().invoke(cli, [*map(str, arguments)])

    return invoke


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Where `keep-explainer` writes to."""
    kept = {"weights": tmp_path / "kept.safetensors", "about": tmp_path / "kept.json"}
    monkeypatch.setattr(shipped.keep, "__kwdefaults__", kept)
    return kept


def test_an_explainer_is_added_to_a_bundle_that_is_called_like_its_directory(run, checkpoint, tmp_path):
    out = tmp_path / "mine"
    given = ["--bundle", "tiny", "--bundle-version", "2", "--licence", "CC0-1.0", "--training-data", "scenes"]
    result = run("add-explainer", checkpoint, "--out", out, *given)
    assert result.exit_code == 0, result.output
    assert f"Bundle mine 2 in {out}: explains; other sounds are loud, soft" in " ".join(result.output.split())
    manifest = read_manifest(out)
    assert (manifest.name, manifest.version, manifest.weights[-1].licence) == ("mine", "2", "CC0-1.0")
    assert manifest.training_data == ("explainer: scenes",)
    bundle = load_bundle(out, InferenceSettings(device="cpu", threads=1))
    assert bundle.explainer.references == ("loud", "soft")


def test_an_explainer_can_be_made_that_of_the_default_bundle(run, checkpoint, places):
    result = run("keep-explainer", checkpoint, "--bundle", "tiny")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [str(shipped.WEIGHTS), str(shipped.ABOUT)]
    _, sounds = shipped.load_shipped(**places)
    assert sounds.names == ("loud", "soft")
    np.testing.assert_allclose(sounds.window, [[1, 1], [0.5, 1]])


@pytest.mark.parametrize("command", [["keep-explainer"], ["add-explainer", "--out", "mine"]])
def test_a_localiser_is_no_explainer(run, places, monkeypatch, tmp_path, command):
    monkeypatch.chdir(tmp_path)
    localiser = save_untrained(Cmc(CmcConfig(width=16), WIDTHS), tmp_path / "cmc.ckpt")
    result = run(*command, localiser, "--bundle", "tiny")
    assert result.exit_code == 1
    assert result.output == f"error: {localiser} holds cmc, not an explainer\n"
    assert [path.name for path in tmp_path.iterdir()] == ["cmc.ckpt"]
