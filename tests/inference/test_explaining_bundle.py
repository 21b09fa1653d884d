import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from app.errors import BundleError
from app.inference.bundle import load_bundle
from app.inference.contract import Versions
from app.inference.manifest import sha256_of
from app.settings import InferenceSettings
from tests import tiny_bundle as tiny

ON_CPU = InferenceSettings(device="cpu", threads=1)
EXPLAIN = 3  # place of the graph among the files


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tiny.write_tiny_bundle(tmp_path, explains=True)


def _edit_manifest(directory: Path, change) -> None:
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def _alter(directory: Path, output: str, node: str, constant: np.ndarray) -> None:
    """Put an operator with a constant after what made an output of the explain graph."""
    model = tiny.explain_graph()
    for made in model.graph.node:
        made.output[:] = ["unaltered" if name == output else name for name in made.output]
        made.input[:] = ["unaltered" if name == output else name for name in made.input]
    model.graph.node.append(helper.make_node(node, ["unaltered", "constant_of_test"], [output]))
    model.graph.initializer.append(onnx.numpy_helper.from_array(constant, "constant_of_test"))
    path = directory / "explain.onnx"
    path.write_bytes(model.SerializeToString())

    def vouch(manifest):
        manifest["files"][EXPLAIN].update(sha256=sha256_of(path), size_bytes=path.stat().st_size)

    _edit_manifest(directory, vouch)


def _explain(bundle, *, target=-1):
    """Three steps of which the last is loud, in two versions: the second without sound and half the cells."""
    cells, steps = np.ones((2, 3, 4, 4), np.float32), np.ones((2, 3), np.float32)
    cells[1, :, :2], steps[1] = 0, 0
    window = np.array([[0, 1], [0, 1], [1, 1]], np.float32)
    return bundle.explain(
        np.zeros((3, 4, 4, 3), np.float32),
        np.zeros((3, 2, 2, 3), np.float32),
        window,
        np.ones((3, 4, 4), np.float32),
        versions=Versions(cells, steps, np.zeros(2, np.float32), np.zeros(2, np.float32)),
        target=target,
    )


def test_event_weights_and_versions_come_with_their_shapes(tiny_explaining_bundle):
    found = _explain(tiny_explaining_bundle)
    assert tiny.LABELS[found.chosen] == "Tone"
    np.testing.assert_allclose(found.scores, [1, 0.6, 1, 0])
    np.testing.assert_allclose(found.when_audio, [0, 0, 1], atol=1e-5)
    np.testing.assert_allclose(found.when_visual, [1 / 3] * 3, rtol=1e-5)
    assert found.where.shape == (3, 4, 4)
    np.testing.assert_allclose(found.by_sound, [8, 0], atol=1e-4)
    np.testing.assert_allclose(found.by_sight, [4, 2], atol=1e-4)
    np.testing.assert_allclose(found.logits, [6, -4], atol=1e-4)
    assert (found.reference_events.shape, found.reference_window.shape) == ((2, 4), (2, 2))


def test_an_event_can_be_asked_for(tiny_explaining_bundle):
    found = _explain(tiny_explaining_bundle, target=3)
    assert tiny.LABELS[found.chosen] == "Thunder"
    np.testing.assert_allclose(found.logits, [4, -6], atol=1e-4)


def test_on_a_device_with_buckets_nothing_is_padded(tiny_explaining_bundle, directory, monkeypatch):
    """The graph has no axis that all its inputs share."""
    import app.inference.bundle as module

    places = module.placements(ON_CPU)
    padded = tuple(replace(place, buckets=(1, 2, 4)) for place in places)
    monkeypatch.setattr(module, "placements", lambda _: padded)
    bundle = load_bundle(directory, ON_CPU)
    assert bundle.runners["visual"].buckets == (1, 2, 4)
    np.testing.assert_array_equal(_explain(bundle).logits, _explain(tiny_explaining_bundle).logits)


def test_a_bundle_that_does_not_explain_has_no_explainer(tiny_bundle):
    assert "explain" not in tiny_bundle.runners
    with pytest.raises(BundleError, match="bundle tiny describes no explainer"):
        _ = tiny_bundle.explainer


def test_a_task_without_an_explainer_in_the_manifest_is_refused(directory):
    _edit_manifest(directory, lambda manifest: manifest.pop("explainer"))
    with pytest.raises(BundleError, match="bundle tiny describes no explainer"):
        load_bundle(directory, ON_CPU)


def test_a_task_without_its_graph_is_refused(directory):
    _edit_manifest(directory, lambda manifest: manifest["files"].pop())
    with pytest.raises(BundleError, match="bundle tiny has no explain graph"):
        load_bundle(directory, ON_CPU)


def test_a_graph_whose_task_is_not_offered_is_not_loaded(directory):
    _edit_manifest(directory, lambda manifest: manifest.update(tasks=["localize"]))
    assert "explain" not in load_bundle(directory, ON_CPU).runners


@pytest.mark.parametrize("steps", [0, 1])
def test_an_explainer_needs_two_steps(directory, steps):
    _edit_manifest(directory, lambda manifest: manifest["explainer"].update(steps=steps))
    with pytest.raises(BundleError, match=r"explainer\.steps"):
        load_bundle(directory, ON_CPU)


@pytest.mark.parametrize("output", ["when_audio", "when_visual", "where"])
def test_weights_that_do_not_sum_to_one_are_found_by_the_warm_up(directory, output):
    _alter(directory, output, "Mul", np.float32(0.5))
    with pytest.raises(BundleError, match=rf"{output} sums to 0\.5, expected 1"):
        load_bundle(directory, ON_CPU)


def test_scores_beyond_one_are_found_by_the_warm_up(directory):
    _alter(directory, "scores", "Add", np.float32(1))
    with pytest.raises(BundleError, match=r"scores leaves \[0, 1\]"):
        load_bundle(directory, ON_CPU)


@pytest.mark.parametrize("more", [4, -1])
def test_an_event_without_a_name_is_found_by_the_warm_up(directory, more):
    _alter(directory, "chosen", "Add", np.int64(more))
    with pytest.raises(BundleError, match=rf"chosen is {more}, but 4 events have a name"):
        load_bundle(directory, ON_CPU)


def test_logits_that_are_no_number_are_found_by_the_warm_up(directory):
    _alter(directory, "logits", "Mul", np.float32("nan"))
    with pytest.raises(BundleError, match="logits is not finite"):
        load_bundle(directory, ON_CPU)


def test_references_without_a_name_are_found_by_the_warm_up(directory):
    _edit_manifest(directory, lambda manifest: manifest["explainer"].update(references=["thunder"]))
    with pytest.raises(BundleError, match=r"reference_events has the shape \(2, 4\), expected \(1, 4\)"):
        load_bundle(directory, ON_CPU)


def test_outputs_of_another_dtype_break_the_contract(directory):
    def change(manifest):
        manifest["files"][EXPLAIN]["outputs"][1]["dtype"] = "int32"

    _edit_manifest(directory, change)
    with pytest.raises(BundleError, match="but the explain graph has"):
        load_bundle(directory, ON_CPU)


def test_the_warm_up_runs_as_many_steps_as_there_can_be(directory, monkeypatch):
    from app.inference.bundle import Bundle

    seen = []
    run = Bundle.explain

    def spy(self, tokens, *arrays, versions, target=-1):
        seen.append((len(tokens), versions.cells.shape))
        return run(self, tokens, *arrays, versions=versions, target=target)

    monkeypatch.setattr(Bundle, "explain", spy)
    load_bundle(directory, ON_CPU)
    assert seen == [(4, (1, 4, 4, 4))]
