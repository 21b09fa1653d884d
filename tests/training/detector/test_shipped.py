import json

import numpy as np
import pytest
import torch

from app.inference.manifest import Detector
from training.detector.shipped import described, keep, load_shipped, sounding_as_served
from training.methods.avdet.calibration import Sounding
from training.methods.avdet.loading import load_detector


@pytest.fixture
def places(tmp_path):
    return {"weights": tmp_path / "kept.safetensors", "about": tmp_path / "kept.json"}


def test_a_detector_that_is_kept_is_the_same_when_it_is_loaded(checkpoint, places):
    detector = load_detector(checkpoint)
    keep(detector, **places)
    again = load_shipped(**places)
    assert again.config == detector.config
    assert again.names == detector.names
    assert not again.training
    assert all(torch.equal(part, again.state_dict()[name]) for name, part in detector.state_dict().items())
    seen = detector.inputs.seen(torch.rand(3, 4, 4, 3), torch.rand(3, 2, 2, 3))
    assert all(map(np.array_equal, detector.find(seen), again.find(seen)))
    assert described(again) == described(detector)


def test_what_is_kept_can_be_read_by_people(checkpoint, places):
    keep(load_detector(checkpoint), **places)
    about = json.loads(places["about"].read_text())
    assert sorted(about) == ["class_map", "config", "names", "widths"]
    assert (about["widths"], about["class_map"]) == ([3, 2, 4], [2, 2, 3])
    assert about["config"]["clusters"] == 2
    assert places["about"].read_text().endswith("}\n")


def test_weights_of_another_detector_do_not_fit(checkpoint, random_detector, places):
    keep(load_detector(checkpoint), **places)
    other = {"weights": places["weights"].with_name("other"), "about": places["about"].with_name("names")}
    keep(random_detector(), **other)
    with pytest.raises(RuntimeError, match="size mismatch"):
        load_shipped(weights=places["weights"], about=other["about"])


def test_a_manifest_has_rounded_numbers(random_detector):
    detector = random_detector()
    detector.threshold.fill_(1 / 3)
    detector.sounding.copy_(torch.tensor(Sounding(2 / 3, -1 / 7, 0.123456)))
    told = described(detector)
    assert isinstance(told, Detector)
    assert (told.labels, told.threshold) == (("one", "two", "three"), 0.3333)
    assert told.sounding == sounding_as_served(detector)
    assert told.sounding.model_dump() == {"scale": 0.6667, "offset": -0.1429, "threshold": 0.1235}
