import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from app.errors import BundleError
from app.inference.bundle import load_bundle
from app.inference.manifest import sha256_of
from app.settings import InferenceSettings
from tests import tiny_bundle as tiny

ON_CPU = InferenceSettings(device="cpu", threads=1)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tiny.write_tiny_bundle(tmp_path, detects=True)


def _edit_manifest(directory: Path, change) -> None:
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def _add_after(
    directory: Path,
    output: str,
    node: str,
    *,
    constants: dict[str, np.ndarray],
    shape: tuple[object, ...] = (),
    **attributes: object,
) -> None:
    """Put an operator after what made an output of the detect graph; `shape` is that of the new output."""
    model = tiny.detect_graph()
    for made in model.graph.node:
        made.output[:] = ["inner" if name == output else name for name in made.output]
        made.input[:] = ["inner" if name == output else name for name in made.input]
    model.graph.node.append(helper.make_node(node, ["inner", *constants], [output], **attributes))
    model.graph.initializer.extend(onnx.numpy_helper.from_array(v, k) for k, v in constants.items())
    if shape:
        (changed,) = [value for value in model.graph.output if value.name == output]
        changed.CopyFrom(helper.make_tensor_value_info(output, changed.type.tensor_type.elem_type, shape))
    path = directory / "detect.onnx"
    path.write_bytes(model.SerializeToString())

    def vouch(manifest):
        entry = manifest["files"][3]
        entry.update(sha256=sha256_of(path), size_bytes=path.stat().st_size)
        if shape:
            (spec,) = [spec for spec in entry["outputs"] if spec["name"] == output]
            spec["shape"] = shape

    _edit_manifest(directory, vouch)


def test_bright_cells_become_boxes_with_a_score_and_a_label(tiny_detecting_bundle):
    tokens = np.zeros((2, 4, 4, 3), np.float32)
    tokens[1, 1, 2] = (0.3, 0.9, 0.6)
    boxes, scores, labels = tiny_detecting_bundle.detect(tokens, np.ones((2, 1, 1, 1), np.float32))
    assert (boxes.shape, scores.shape, labels.shape, labels.dtype) == ((2, 16, 4), (2, 16), (2, 16), np.int64)
    assert boxes[1, 6].tolist() == [0.5, 0.25, 0.75, 0.5]
    assert scores[1, 6] == pytest.approx(0.6)
    assert tiny_detecting_bundle.detector.labels[labels[1, 6]] == "green"
    assert scores.sum() == pytest.approx(0.6)


def test_a_bundle_that_does_not_detect_has_no_detector(tiny_bundle):
    assert "detect" not in tiny_bundle.runners
    with pytest.raises(BundleError, match="bundle tiny describes no detector"):
        _ = tiny_bundle.detector


def test_a_task_without_a_detector_in_the_manifest_is_refused(directory):
    _edit_manifest(directory, lambda manifest: manifest.pop("detector"))
    with pytest.raises(BundleError, match="bundle tiny describes no detector"):
        load_bundle(directory, ON_CPU)


def test_a_task_without_its_graph_is_refused(directory):
    _edit_manifest(directory, lambda manifest: manifest["files"].pop())
    with pytest.raises(BundleError, match="bundle tiny has no detect graph"):
        load_bundle(directory, ON_CPU)


def test_a_graph_whose_task_is_not_offered_is_not_loaded(directory):
    _edit_manifest(directory, lambda manifest: manifest.update(tasks=["localize"]))
    assert "detect" not in load_bundle(directory, ON_CPU).runners


def test_labels_without_a_name_are_found_by_the_warm_up(directory):
    _add_after(directory, "labels", "Add", constants={"three": np.array(3, np.int64)})
    with pytest.raises(BundleError, match="labels reach from 3 to 3, but 3 have a name"):
        load_bundle(directory, ON_CPU)


def test_negative_labels_are_found_by_the_warm_up(directory):
    _add_after(directory, "labels", "Sub", constants={"one": np.array(1, np.int64)})
    with pytest.raises(BundleError, match="labels reach from -1 to -1"):
        load_bundle(directory, ON_CPU)


@pytest.mark.parametrize("output", ["boxes", "scores"])
def test_values_beyond_one_are_found_by_the_warm_up(directory, output):
    _add_after(directory, output, "Add", constants={"two": np.array(2, np.float32)})
    with pytest.raises(BundleError, match=rf"{output} leaves \[0, 1\]"):
        load_bundle(directory, ON_CPU)


def test_boxes_without_a_score_of_their_own_are_found_by_the_warm_up(directory):
    _add_after(directory, "scores", "ReduceMean", constants={}, shape=("N", 1), axes=[1])
    with pytest.raises(BundleError, match=r"boxes has the shape \(2, 16, 4\), expected \(2, 1, 4\)"):
        load_bundle(directory, ON_CPU)


def test_labels_of_another_dtype_break_the_contract(directory):
    def change(manifest):
        manifest["files"][3]["outputs"][2]["dtype"] = "int32"

    _edit_manifest(directory, change)
    with pytest.raises(BundleError, match="but the detect graph has"):
        load_bundle(directory, ON_CPU)
