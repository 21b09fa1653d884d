import shlex

import numpy as np
import pytest
import torch

from app.inference.bundle import load_bundle
from app.inference.contract import Versions
from app.inference.manifest import Explainer, read_manifest
from app.settings import InferenceSettings
from tests.training.methods.made_scenes import WIDTHS, save_untrained
from training.explainer.adding import add_explainer
from training.loop.checkpoint import CheckpointError
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc
from training.methods.command import read_settings
from training.methods.stan.config import StanConfig
from training.methods.stan.loading import load_explainer
from training.methods.stan.network import Clips
from training.trained import Description

DESCRIPTION = Description("mine", "1.2.3", "CC-BY-4.0", ("scenes that we made, CC0-1.0", "our videos"))
ON_CPU = InferenceSettings(device="cpu", threads=1)


@pytest.fixture
def add(tiny_bundles, checkpoint, references, graph, tmp_path, monkeypatch):
    """Adds an explainer to a bundle, the tiny one. Its graph is there already: tracing takes seconds."""
    monkeypatch.setattr("training.explainer.adding.explain_graph", lambda *_: graph)

    def run(bundle=tiny_bundles / "tiny", path=checkpoint, out=tmp_path / "mine"):
        return add_explainer(bundle, path, out, description=DESCRIPTION, references=references)

    return run


def test_the_new_bundle_explains_as_the_checkpoint(add, checkpoint, references, tmp_path):
    add()
    bundle, explainer = load_bundle(tmp_path / "mine", ON_CPU), load_explainer(checkpoint)
    rng = np.random.default_rng(0)
    tokens, class_map = bundle.visual(rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8))
    scores, window = bundle.audio(rng.uniform(-0.4, 0.4, (3, 3200)).astype(np.float32))
    heat, _ = bundle.localize(tokens, class_map, scores, window)
    shown = np.ones((2, 3, 4, 4), np.float32)
    shown[1, :, :2] = 0
    versions = Versions(shown, np.ones((2, 3), np.float32), np.ones(2, np.float32), np.ones(2, np.float32))
    told = bundle.explain(tokens, class_map, window, heat, versions=versions)
    perception = explainer.perception
    with torch.no_grad():
        seen = perception.see(*map(torch.from_numpy, (tokens, class_map)))
        heard, teacher = perception.hear(torch.from_numpy(window))
        there = torch.ones(1, 3, dtype=torch.bool)
        flat = torch.from_numpy(heat).flatten(1)[None]
        recognised, _ = explainer(Clips(seen[None], heard[None], teacher[None], flat, there))
    np.testing.assert_allclose(told.scores, recognised.logits[0].sigmoid(), atol=1e-4)
    np.testing.assert_allclose(told.logits[0], recognised.logits[0, told.chosen], atol=1e-4)
    assert abs(told.logits[1] - told.logits[0]) > 1e-3
    assert np.array_equal(told.reference_window, references.window)
    assert bundle.explainer.references == references.names


def test_the_manifest_says_what_was_added(add, tiny_bundles, tmp_path):
    written, before = add(), read_manifest(tiny_bundles / "tiny")
    assert read_manifest(tmp_path / "mine") == written
    assert (written.name, written.version) == ("mine", "1.2.3")
    assert written.tasks == ("localize", "explain")
    assert written.explainer == Explainer(
        step_s=0.5, steps=20, threshold=0.25, vague=0.875, presence=0.375, references=("loud", "soft")
    )
    assert written.weights[:-1] == before.weights
    head = written.weights[-1]
    assert (head.licence, head.source) == ("CC-BY-4.0", "best.ckpt")
    assert written.training_data == ("explainer: scenes that we made, CC0-1.0", "explainer: our videos")
    assert written.files[:-1] == before.files
    assert written.files[-1].path == "explain.onnx"


def test_the_training_command_of_the_manifest_can_be_given_again(add, checkpoint):
    command = shlex.split(add().training_command.split(" && ")[1])
    assert command[:2] == ["earsight-train", "stan"]
    assert read_settings(StanConfig, None, command[3::2]) == load_explainer(checkpoint).config


def test_a_detector_stays_and_an_explainer_is_replaced(add, tiny_bundles, tmp_path):
    both = add(tiny_bundles / "tiny-detect")
    assert both.tasks == ("localize", "detect", "explain")
    again = add(tmp_path / "mine", out=tmp_path / "again")
    assert (again.tasks, again.detector) == (both.tasks, both.detector)
    roles = ["visual", "audio", "localize", "detect", "explain"]
    assert [entry.role for entry in again.files] == roles
    load_bundle(tmp_path / "again", ON_CPU)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"token": 5}, "trained on tokens of 4 x 4 x 5, .*tiny gives 4 x 4 x 3"),
        ({"grid": 6}, "trained on tokens of 6 x 6 x 3, .*tiny gives 4 x 4 x 3"),
        ({"class_map": (2, 2, 5)}, "trained on class_map of 2 x 2 x 5, .*tiny gives 2 x 2 x 3"),
        ({"sound": 7}, "trained on embedding of 7, .*tiny gives 2"),
        ({"events": ("Tone", "Music", "Silence", "Rain")}, "knows other events than .*tiny"),
    ],
)
def test_an_explainer_that_was_trained_behind_other_encoders_is_refused(
    add, random_explainer, tmp_path, options, told
):
    path = save_untrained(random_explainer(**options), tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match=rf"other\.ckpt {'was ' * ('trained' in told)}{told}"):
        add(path=path)
    assert not (tmp_path / "mine").exists()


def test_what_is_no_explainer_is_named(add, tmp_path):
    localiser = save_untrained(Cmc(CmcConfig(width=16), WIDTHS), tmp_path / "cmc.ckpt")
    with pytest.raises(CheckpointError, match=r"cmc\.ckpt holds cmc, not an explainer"):
        add(path=localiser)


def test_an_explainer_of_another_version_is_named(add, random_explainer, tmp_path):
    module = random_explainer()
    del module.thresholds
    path = save_untrained(module, tmp_path / "old.ckpt")
    with pytest.raises(CheckpointError, match=r"old\.ckpt does not fit stan as it is here"):
        add(path=path)
