import json
import shutil

import onnx
import pytest

from app.inference.bundle import SHIPPED_BUNDLES
from app.inference.manifest import MANIFEST, Metric
from training.encoders.weights import DINOV2, EFFICIENTNET_LITE2, IMAGENET_NAMES, MINILM, YAMNET
from training.manifest import CONFIGS, build_manifest, describe_graph

DEFAULT = SHIPPED_BUNDLES / "default"


@pytest.fixture
def configs(tmp_path):
    directory = tmp_path / "configs"
    shutil.copytree(CONFIGS, directory)
    return directory


def test_the_committed_manifest_is_what_the_code_writes():
    written = build_manifest(DEFAULT).model_dump_json(indent=2, by_alias=True) + "\n"
    committed = (DEFAULT / MANIFEST).read_text(encoding="utf-8")
    assert committed == written, "run: earsight-train manifest"


def test_the_default_bundle_has_at_most_60_megabytes():
    assert sum(path.stat().st_size for path in DEFAULT.iterdir()) <= 60e6


def test_every_set_of_weights_is_named_with_licence_and_origin():
    manifest = build_manifest(DEFAULT)
    published = {entry.name: entry for entry in manifest.weights}
    for weights in (DINOV2, EFFICIENTNET_LITE2, YAMNET, MINILM, IMAGENET_NAMES):
        entry = published[weights.content]
        assert (entry.licence, entry.sha256) == (weights.licence, weights.sha256)
        assert weights.package in entry.source
    assert "does not say whether it fine-tuned" in published[DINOV2.content].note
    assert "Not in the bundle" in published[MINILM.content].note
    assert len(manifest.weights) == 8, "the heads have origins too"


def test_weights_behind_names_are_named_only_if_the_bundle_names(tmp_path):
    for path in DEFAULT.glob("*.onnx"):
        if path.stem != "name":
            (tmp_path / path.name).symlink_to(path)
    manifest = build_manifest(tmp_path)
    assert [entry.role for entry in manifest.files] == ["visual", "audio", "localize", "detect", "explain"]
    assert not {MINILM.content, IMAGENET_NAMES.content} & {entry.name for entry in manifest.weights}


def test_figures_come_from_the_file_that_the_evaluation_writes(configs):
    figure = {"name": "pointing", "value": 91.4, "dataset": "made up", "n": 35, "low": 80.0, "high": 97.1}
    (configs / "default_metrics.json").write_text(json.dumps([figure]), encoding="utf-8")
    assert build_manifest(DEFAULT, configs=configs).metrics == (Metric(**figure),)


def test_before_the_first_evaluation_there_are_no_figures(configs):
    (configs / "default_metrics.json").unlink(missing_ok=True)
    assert build_manifest(DEFAULT, configs=configs).metrics == ()


def test_a_graph_of_someone_else_is_refused(tmp_path):
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "other", [value], [])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "other.onnx")
    with pytest.raises(ValueError, match="not one of ours"):
        describe_graph(tmp_path / "other.onnx", role="visual")
