import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from app.errors import BundleError, ModelNotReady, NotFound
from app.inference.bundle import bundle_names, find_bundle, load_bundle
from app.inference.manifest import sha256_of
from app.settings import InferenceSettings
from tests import tiny_bundle as tiny

ON_CPU = InferenceSettings(device="cpu", threads=1)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tiny.write_tiny_bundle(tmp_path)


def _edit_manifest(directory: Path, change) -> None:
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def _replace_graph(directory: Path, role: str, model: onnx.ModelProto) -> None:
    """Put another graph in place, with a manifest that vouches for it."""
    path = directory / f"{role}.onnx"
    path.write_bytes(model.SerializeToString())

    def vouch(manifest):
        entry = next(file for file in manifest["files"] if file["role"] == role)
        entry.update(sha256=sha256_of(path), size_bytes=path.stat().st_size)

    _edit_manifest(directory, vouch)


def test_a_bundle_names_itself_and_its_provider(directory):
    info = load_bundle(directory, ON_CPU).info
    assert (info.name, info.version, info.provider) == ("tiny", "1", "CPUExecutionProvider")
    assert info.sha256 == sha256_of(directory / "manifest.json")


def test_a_sounding_white_square_is_found(tiny_bundle):
    frames = np.zeros((1, 32, 32, 3), np.uint8)
    frames[0, 8:16, 16:24] = 255
    heard = tiny_bundle.audio(np.full((1, tiny.WINDOW_SAMPLES), 0.5, np.float32))
    heatmap, presence = tiny_bundle.localize(*tiny_bundle.visual(frames), *heard)
    expected = np.zeros((1, 4, 4), np.float32)
    expected[0, 1, 2] = 1
    np.testing.assert_allclose(heatmap, expected, atol=1e-6)
    np.testing.assert_allclose(presence, [1], atol=1e-6)


def test_a_damaged_file_is_refused(directory):
    path = directory / "audio.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(BundleError, match=r"tiny/audio\.onnx is damaged"):
        load_bundle(directory, ON_CPU)


def test_a_missing_file_is_refused(directory):
    (directory / "visual.onnx").unlink()
    with pytest.raises(BundleError, match=r"tiny/visual\.onnx is missing"):
        load_bundle(directory, ON_CPU)


def test_a_variant_that_would_not_run_here_is_checked_too(directory):
    (directory / "visual_fp16.onnx").write_bytes(b"half")

    def add(manifest):
        entry = dict(manifest["files"][0], path="visual_fp16.onnx", precision="fp16", size_bytes=4)
        manifest["files"].append(entry)

    _edit_manifest(directory, add)
    with pytest.raises(BundleError, match=r"visual_fp16\.onnx is damaged"):
        load_bundle(directory, ON_CPU)


def test_external_data_is_refused_even_inside_the_directory(directory):
    model = tiny.visual_graph()
    onnx.save(
        model,
        directory / "visual.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    _replace_graph(directory, "visual", onnx.load(directory / "visual.onnx", load_external_data=False))
    with pytest.raises(BundleError, match="another file"):
        load_bundle(directory, ON_CPU)


def test_a_graph_with_other_names_than_the_manifest_is_refused(directory):
    model = tiny.visual_graph()
    for node in model.graph.node:
        node.input[:] = ["picture" if name == "frames" else name for name in node.input]
    model.graph.input[0].name = "picture"
    _replace_graph(directory, "visual", model)
    with pytest.raises(BundleError, match=r"inputs \['picture'\], the manifest says \['frames'\]"):
        load_bundle(directory, ON_CPU)


def test_a_graph_with_other_dtypes_than_the_manifest_is_refused(directory):
    model = tiny.visual_graph()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    _replace_graph(directory, "visual", model)
    with pytest.raises(BundleError, match="frames is float32, the manifest says uint8"):
        load_bundle(directory, ON_CPU)


def test_a_graph_with_another_shape_than_the_manifest_is_refused(directory):
    def enlarge(manifest):
        manifest["files"][1]["inputs"][0]["shape"][1] = 999

    _edit_manifest(directory, enlarge)
    with pytest.raises(BundleError, match=r"windows is \['W', 3200\], the manifest says \['W', 999\]"):
        load_bundle(directory, ON_CPU)


def test_a_manifest_that_breaks_the_contract_of_a_role_is_refused(directory):
    def rename(manifest):
        manifest["files"][2]["outputs"][0]["name"] = "map"

    _edit_manifest(directory, rename)
    with pytest.raises(BundleError, match="but the localize graph has"):
        load_bundle(directory, ON_CPU)


def test_a_localize_graph_may_read_the_embedding_in_place_of_the_events(directory):
    model = tiny.localize_graph()
    model.graph.input[2].CopyFrom(
        onnx.helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 2])
    )
    for node in model.graph.node:
        node.input[:] = ["embedding" if name == "events" else name for name in node.input]
    _replace_graph(directory, "localize", model)

    def read_the_embedding(manifest):
        manifest["files"][2]["inputs"][2] = {"name": "embedding", "dtype": "float32", "shape": ["N", 2]}

    _edit_manifest(directory, read_the_embedding)
    bundle = load_bundle(directory, ON_CPU)
    tokens, class_map = bundle.visual(np.full((1, 32, 32, 3), 255, np.uint8))
    nothing_heard = np.zeros((1, 4), np.float32)
    _, presence = bundle.localize(tokens, class_map, nothing_heard, np.array([[0.25, 0]], np.float32))
    assert presence == pytest.approx([0.25], abs=1e-6)


def test_a_localize_graph_that_reads_something_else_is_refused(directory):
    def rename(manifest):
        manifest["files"][2]["inputs"][2]["name"] = "motion"

    _edit_manifest(directory, rename)
    with pytest.raises(BundleError, match="but the localize graph has"):
        load_bundle(directory, ON_CPU)


def test_outputs_that_do_not_fit_the_grid_are_found_by_the_warm_up(directory):
    _edit_manifest(directory, lambda manifest: manifest.update(grid=[5, 5]))
    with pytest.raises(BundleError, match=r"tokens has the shape \(2, 4, 4, 3\), expected \(2, 5, 5, 3\)"):
        load_bundle(directory, ON_CPU)


def test_a_heatmap_beyond_one_is_found_by_the_warm_up(directory):
    model = tiny.localize_graph()
    model.graph.node.append(helper.make_node("Add", ["hot", "three"], ["heatmap"]))
    for node in model.graph.node[:-1]:
        node.output[:] = ["hot" if name == "heatmap" else name for name in node.output]
        node.input[:] = ["hot" if name == "heatmap" else name for name in node.input]
    model.graph.initializer.append(helper.make_tensor("three", TensorProto.FLOAT, [], [3.0]))
    _replace_graph(directory, "localize", model)
    with pytest.raises(BundleError, match=r"heatmap leaves \[0, 1\]"):
        load_bundle(directory, ON_CPU)


def test_a_graph_that_fails_when_it_runs_is_refused(directory):
    model = tiny.audio_graph()
    reshape = helper.make_node("Reshape", ["scores_", "seven"], ["scores"])
    for node in model.graph.node:
        node.output[:] = ["scores_" if name == "scores" else name for name in node.output]
    model.graph.node.append(reshape)
    model.graph.initializer.append(helper.make_tensor("seven", TensorProto.INT64, [2], [7, 4]))
    _replace_graph(directory, "audio", model)
    with pytest.raises(BundleError, match="does not run"):
        load_bundle(directory, ON_CPU)


def test_bytes_that_are_no_model_are_refused(directory):
    path = directory / "audio.onnx"
    path.write_bytes(b"this is text")

    def vouch(manifest):
        manifest["files"][1].update(sha256=sha256_of(path), size_bytes=12)

    _edit_manifest(directory, vouch)
    with pytest.raises(BundleError, match="not an ONNX model"):
        load_bundle(directory, ON_CPU)


def test_two_graphs_for_one_role_and_precision_are_refused(directory):
    _edit_manifest(directory, lambda manifest: manifest["files"].append(manifest["files"][0]))
    with pytest.raises(BundleError, match="two visual graphs in fp32"):
        load_bundle(directory, ON_CPU)


def test_the_cpu_takes_int8_before_fp32(directory):
    def add(manifest):
        entry = dict(manifest["files"][0], path="visual_int8.onnx", precision="int8")
        manifest["files"].append(entry)

    (directory / "visual_int8.onnx").write_bytes((directory / "visual.onnx").read_bytes())
    _edit_manifest(directory, add)
    assert load_bundle(directory, ON_CPU).runners["visual"].entry.precision == "int8"


@pytest.mark.parametrize(("device", "extra"), [("cuda", "gpu"), ("tensorrt", "tensorrt")])
def test_a_gpu_is_a_hard_demand(directory, device, extra):
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has a CUDA provider")
    with pytest.raises(ModelNotReady, match=f"'{device}' was asked for.*earsight.{extra}") as caught:
        load_bundle(directory, InferenceSettings(device=device))
    assert caught.value.setting == "EARSIGHT_INFERENCE__DEVICE"


def test_own_directories_come_before_the_shipped_bundles(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    tiny.write_tiny_bundle(second)
    settings = InferenceSettings(bundle_dirs=(first, second))
    assert find_bundle("tiny", settings) == second / "tiny"
    tiny.write_tiny_bundle(first)
    assert find_bundle("tiny", settings) == first / "tiny"
    assert "tiny" in bundle_names(settings)


@pytest.mark.parametrize("name", ["../tiny", "/etc", "tiny/../tiny", "", ".", "..", "Tiny", "tiny\n"])
def test_a_name_is_never_taken_for_a_path(tmp_path, name):
    tiny.write_tiny_bundle(tmp_path)
    with pytest.raises(NotFound, match="there is no bundle"):
        find_bundle(name, InferenceSettings(bundle_dirs=(tmp_path,)))
