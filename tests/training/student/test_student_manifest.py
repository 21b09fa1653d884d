import json
from datetime import date

import pytest

from app.inference.bundle import SHIPPED_BUNDLES, load_bundle
from app.inference.manifest import Metric, Weights, read_manifest, sha256_of, write_manifest
from app.settings import InferenceSettings
from training.encoders.weights import DINOV2, EFFICIENTNET_LITE0, EFFICIENTNET_LITE2, YAMNET
from training.export import rewrite_manifest
from training.manifest import CONFIGS, provenance
from training.student.manifest import build_student_manifest, is_student

METRIC = {"name": "pointing", "value": 91.4, "dataset": "made up", "n": 35}
CONFIG = """
name = "quick"
base = "big"
version = "0.2.0"
created = 2026-11-26
licence = "Apache-2.0"
training_command = "earsight-train simkd"
training_data = ["pictures"]

[encoders]
tokens = "small"
class_map = "small"

[student]
name = "SimKD"
licence = "Apache-2.0"
source = "training/student"
"""


@pytest.fixture
def configs(tmp_path):
    directory = tmp_path / "configs"
    directory.mkdir()
    (directory / "quick.toml").write_text(CONFIG, encoding="utf-8")
    return directory


@pytest.fixture
def quick(bundles, monkeypatch):
    """A directory with a visual graph of half the size, beside `big`, whose encoders were published ones."""
    small = bundles / "tiny-small"
    big = read_manifest(bundles / "big")
    heads = Weights(name="heads", licence="CC0-1.0", source="here")
    changes = {
        "weights": (*map(provenance, (DINOV2, EFFICIENTNET_LITE2, YAMNET)), heads),
        "training_data": ("clips",),
        "metrics": (Metric(**METRIC),),
    }
    write_manifest(big.model_copy(update=changes), bundles / "big")
    # Only graphs that Earsight exported say in which precision they compute.
    monkeypatch.setattr("training.manifest.precision_of", lambda _model: "fp32")
    return small.rename(bundles / "quick")


def test_a_configuration_with_a_base_is_that_of_a_student(configs):
    assert is_student("quick", configs)
    assert not is_student("default", CONFIGS)


def test_the_manifest_is_written_anew_from_graph_configuration_and_teacher(quick, configs):
    (quick / "manifest.json").unlink()
    written, big = rewrite_manifest(quick, name="quick", configs=configs), read_manifest(quick.parent / "big")
    assert read_manifest(quick) == written
    assert (written.name, written.version, written.created) == ("quick", "0.2.0", date(2026, 11, 26))
    visual, *shared = written.files
    assert (visual.bundle, visual.sha256) == (None, sha256_of(quick / "visual.onnx"))
    assert {entry.bundle for entry in shared} == {"big"}
    assert [entry.sha256 for entry in shared] == [entry.sha256 for entry in big.files[1:]]
    assert (written.input_size, big.input_size) == (16, 32)
    assert written.encoders == {**big.encoders, "tokens": "small", "class_map": "small"}
    assert written.training_data == ("clips", "student: pictures")
    assert written.training_command == "none && earsight-train simkd"
    load_bundle(quick, InferenceSettings(device="cpu", threads=1))


def test_weights_of_the_encoders_that_are_gone_are_gone_too(quick, configs):
    written = rewrite_manifest(quick, name="quick", configs=configs)
    assert [weights.name for weights in written.weights] == [
        EFFICIENTNET_LITE0.content,
        "SimKD",
        YAMNET.content,
        "heads",
    ]
    assert written.weights[0].sha256 == EFFICIENTNET_LITE0.sha256


def test_figures_are_the_own_ones_of_the_student_or_none(quick, configs):
    assert rewrite_manifest(quick, name="quick", configs=configs).metrics == ()
    own = {**METRIC, "value": 80.0}
    (configs / "quick_metrics.json").write_text(json.dumps([own]), encoding="utf-8")
    assert rewrite_manifest(quick, name="quick", configs=configs).metrics == (Metric(**own),)


def test_a_graph_that_the_heads_cannot_read_is_refused(quick, configs, tmp_path):
    big = quick.parent / "big"
    manifest = read_manifest(big)
    visual, *others = manifest.files
    tokens = visual.outputs[0].model_copy(update={"shape": ("N", 4, 4, 9)})
    wide = visual.model_copy(update={"outputs": (tokens, visual.outputs[1])})
    write_manifest(manifest.model_copy(update={"files": (wide, *others)}), big)
    before = (quick / "manifest.json").read_bytes()
    with pytest.raises(ValueError, match=r"heads of big read tokens .*4, 4, 9.* gives tokens .*4, 4, 3"):
        rewrite_manifest(quick, name="quick", configs=configs)
    assert (quick / "manifest.json").read_bytes() == before


def test_the_bundle_that_ships_says_what_its_configuration_and_the_default_bundle_say():
    """After a change of the default bundle: `earsight-train manifest --out app/bundles/fast --name fast`."""
    fast = SHIPPED_BUNDLES / "fast"
    assert read_manifest(fast) == build_student_manifest(fast, name="fast", configs=CONFIGS)
