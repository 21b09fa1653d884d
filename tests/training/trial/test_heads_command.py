"""`earsight-train heads-trial` with the bundle that ships, on clips of a square that horns."""

import json
from functools import partial

import numpy as np
import pytest
from typer.testing import CliRunner

import training.trial.boxed_report
from app.inference.bundle import SHIPPED_BUNDLES, load_bundle
from app.settings import InferenceSettings
from tests.training.cache.conftest import MadeExample
from training.cache.encoding import ExampleEncoder, Recipe
from training.cache.filling import fill_cache
from training.cli import cli
from training.data.examples import Facts, Visible
from training.trial.boxed_arms import TRAINED, WHOLE


@pytest.fixture(scope="module")
def unseen(tmp_path_factory):
    """Three clips of four steps whose square is a source all the time, encoded by the default bundle."""
    frames = 4
    box = np.float32([[0.25, 0.25, 0.75, 0.75]]).repeat(frames, 0)
    thing = Visible("dog", box, np.ones(frames, bool))
    examples = [
        MadeExample(
            Facts(f"clip{n}", labels=("dog",), split="test"),
            n_frames=frames,
            judged=tuple(range(frames)),
            things=(thing,),
        )
        for n in range(3)
    ]
    bundle = load_bundle(SHIPPED_BUNDLES / "default", InferenceSettings(device="cpu"))
    directory = tmp_path_factory.mktemp("caches") / "unseen"
    fill_cache(
        directory, examples, encoder=ExampleEncoder(bundle, Recipe(views=0, class_map=True)), source={}
    )
    return directory


def trial(*arguments):
    return CliRunner().invoke(cli, [*map(str, ("heads-trial", *arguments))])


def test_the_shipped_heads_are_measured_on_what_a_bundle_made(unseen, tmp_path, monkeypatch):
    fewer = partial(training.trial.boxed_report.bootstrap_each, resamples=20)
    monkeypatch.setattr(training.trial.boxed_report, "bootstrap_each", fewer)
    result = trial("--test", unseen, "--out", tmp_path / "out", "--faithful", 1)
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "out" / "heads.json").read_text())
    assert content["about"] == {"bundle": "default"}
    (test,) = content["tests"]
    assert (test["boxes"]["name"], test["boxes"]["n"], test["boxes"]["n_things"]) == ("unseen", 3, 3)
    assert {TRAINED, WHOLE} <= {row["name"] for row in test["boxes"]["rows"]}
    assert test["explanations"]["n"] == 3
    assert "| STAN |" in (tmp_path / "out" / "heads.md").read_text()


def test_caches_of_another_bundle_are_refused(unseen, tmp_path, tiny_bundles, monkeypatch):
    monkeypatch.setenv("EARSIGHT_INFERENCE__BUNDLE_DIRS", json.dumps([str(tiny_bundles)]))
    monkeypatch.setenv("EARSIGHT_INFERENCE__DEVICE", "cpu")
    result = trial("--test", unseen, "--out", tmp_path / "out", "--bundle", "tiny")
    assert result.exit_code == 1
    assert "was not made with tiny: make it anew with --bundle tiny" in result.output
    assert not (tmp_path / "out").exists()
