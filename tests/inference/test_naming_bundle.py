import json

import numpy as np
import pytest
from onnx import helper, numpy_helper

from app.errors import BundleError
from app.inference.bundle import load_bundle
from app.inference.manifest import sha256_of
from app.settings import InferenceSettings
from tests import tiny_bundle as tiny

ON_CPU = InferenceSettings(device="cpu", threads=1)
NAME = 4  # place of the graph among the files


@pytest.fixture
def directory(tmp_path):
    return tiny.write_tiny_bundle(tmp_path, detects=True, names=True)


def _edit_entry(directory, change):
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest["files"][NAME])
    path.write_text(json.dumps(manifest))


def _replace_last(directory, node, constants):
    """Another last operator, that gets what is linked, the events, and constants if it needs any."""
    model = tiny.name_graph()
    model.graph.node[-1].CopyFrom(helper.make_node(node, ["linked", *constants], ["evidence"]))
    if not constants:
        model.graph.node[-1].input.append("events")
    model.graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in constants.items())
    path = directory / "name.onnx"
    path.write_bytes(model.SerializeToString())
    vouched = {"sha256": sha256_of(path), "size_bytes": path.stat().st_size}
    _edit_entry(directory, lambda entry: entry.update(vouched))


def test_evidence_is_what_is_heard_and_fits_the_looks(tiny_naming_bundle):
    looks = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]], np.float32)
    events = np.array([[0.4, 0.8, 0.9, 0.0], [1.0, 0.5, 0.0, 0.2]], np.float32)
    evidence = tiny_naming_bundle.name(looks, events)
    np.testing.assert_allclose(evidence, [[0.2, 0.2, 0, 0], [0, 0.5, 0, 0]], atol=1e-6)


def test_only_a_bundle_with_the_graph_names(tiny_naming_bundle, tiny_detecting_bundle):
    assert tiny_naming_bundle.names
    assert not tiny_detecting_bundle.names


def test_evidence_beyond_one_is_found_by_the_warm_up(directory):
    _replace_last(directory, "Add", {"two": np.array([2, 2, 2, 2], np.float32)})
    with pytest.raises(BundleError, match=r"evidence leaves \[0, 1\]"):
        load_bundle(directory, ON_CPU)


def test_evidence_that_is_not_finite_is_found_by_the_warm_up(directory):
    _replace_last(directory, "Div", {"none": np.zeros(4, np.float32)})
    with pytest.raises(BundleError, match="evidence is not finite"):
        load_bundle(directory, ON_CPU)


@pytest.mark.parametrize(
    ("kind", "change"), [("inputs", {"name": "sights"}), ("outputs", {"dtype": "int64"})]
)
def test_other_inputs_or_outputs_break_the_contract(directory, kind, change):
    _edit_entry(directory, lambda entry: entry[kind][0].update(change))
    with pytest.raises(BundleError, match="but the name graph has"):
        load_bundle(directory, ON_CPU)
