import json

import pytest
import torch
from safetensors.torch import load_file

from app.inference.manifest import Explainer
from training.explainer.shipped import described, keep, load_shipped
from training.precision import WORTH_HALVING


@pytest.fixture
def places(tmp_path):
    return {"weights": tmp_path / "kept.safetensors", "about": tmp_path / "kept.json"}


def test_an_explainer_that_is_kept_is_the_same_when_it_is_loaded(random_explainer, references, places):
    explainer = random_explainer()
    keep(explainer, references, **places)
    again, sounds = load_shipped(**places)
    assert (again.config, again.events) == (explainer.config, explainer.events)
    assert not again.training
    state = again.state_dict()
    assert {part.dtype for part in state.values()} == {torch.float32}
    assert all(torch.equal(part, state[name]) for name, part in explainer.state_dict().items())
    assert sounds.names == references.names
    assert torch.equal(sounds.events, references.events)
    assert torch.equal(sounds.window, references.window)
    assert described(again, sounds) == described(explainer, references)


def test_only_large_tensors_are_kept_in_half_precision(random_explainer, references, places):
    explainer = random_explainer()
    explainer.thresholds.fill_(1 / 3)
    keep(explainer, references, **places)
    kept = load_file(places["weights"])
    halved = {name for name, part in kept.items() if part.dtype == torch.float16}
    assert halved == {name for name, part in kept.items() if part.numel() >= WORTH_HALVING}
    assert "network.values" in halved
    assert torch.equal(kept["thresholds"], explainer.thresholds)


def test_what_is_kept_can_be_read_by_people(random_explainer, references, places):
    keep(random_explainer(), references, **places)
    about = json.loads(places["about"].read_text())
    assert sorted(about) == ["class_map", "config", "events", "references", "widths"]
    assert (about["widths"], about["class_map"]) == ([3, 2, 4], [2, 2, 3])
    assert about["references"] == ["loud", "soft"]


def test_weights_of_another_explainer_do_not_fit(random_explainer, references, places):
    keep(random_explainer(), references, **places)
    other = {"weights": places["weights"].with_name("other"), "about": places["about"].with_name("events")}
    keep(random_explainer(token=5), references, **other)
    with pytest.raises(RuntimeError, match="size mismatch"):
        load_shipped(weights=places["weights"], about=other["about"])


def test_a_manifest_has_rounded_numbers(random_explainer, references):
    explainer = random_explainer()
    explainer.thresholds.copy_(torch.tensor([1 / 3, 2 / 3, 0.123456]))
    told = described(explainer, references)
    assert told == Explainer(threshold=0.3333, vague=0.6667, presence=0.1235, references=("loud", "soft"))
