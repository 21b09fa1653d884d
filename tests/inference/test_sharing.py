"""Bundles that keep graphs in the directory of another one."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from app.errors import BundleError
from app.inference import bundle as bundle_module
from app.inference.bundle import SHIPPED_BUNDLES, load_bundle
from app.inference.graph_files import graph_path
from app.inference.manifest import MANIFEST, GraphFile, read_manifest, sha256_of, write_manifest
from app.inference.registry import BundleRegistry
from app.settings import InferenceSettings, Settings
from tests import tiny_bundle as tiny

ON_CPU = InferenceSettings(device="cpu", threads=1)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tiny.write_tiny_bundle(tmp_path / "own")


@pytest.fixture
def sharing(source: Path) -> Path:
    return tiny.write_sharing_bundle(source)


def _edit_file(directory: Path, index: int, **changes: object) -> None:
    path = directory / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["files"][index].update(changes)
    path.write_text(json.dumps(manifest))


def test_shared_graphs_run_with_a_visual_graph_of_another_size(sharing):
    assert sorted(path.name for path in sharing.iterdir()) == [MANIFEST, "visual.onnx"]
    bundle = load_bundle(sharing, ON_CPU)
    frames = np.zeros((1, 16, 16, 3), np.uint8)
    frames[0, 4:8, 8:12] = 255
    heard = bundle.audio(np.full((1, tiny.WINDOW_SAMPLES), 0.5, np.float32))
    heatmap, _ = bundle.localize(*bundle.visual(frames), *heard)
    expected = np.zeros((1, 4, 4), np.float32)
    expected[0, 1, 2] = 1
    np.testing.assert_allclose(heatmap, expected, atol=1e-6)


def test_a_file_of_the_same_name_is_taken_from_each_of_both_bundles(source, sharing):
    """Own `visual.onnx` in fp32, and that of the other bundle as a variant that is not taken."""
    files = json.loads((sharing / MANIFEST).read_text())["files"]
    other = json.loads((source / MANIFEST).read_text())["files"][0] | {"bundle": "tiny", "precision": "fp16"}
    manifest = read_manifest(sharing)
    both = tuple(GraphFile.model_validate(file) for file in (*files, other))
    write_manifest(manifest.model_copy(update={"files": both}), sharing)
    bundle = load_bundle(sharing, ON_CPU)
    assert bundle.runners["visual"].entry.precision == "fp32"
    assert bundle.runners["visual"].session.get_inputs()[0].shape == ["N", 16, 16, 3]


def test_the_other_bundle_needs_no_manifest(source, sharing):
    (source / MANIFEST).unlink()
    assert load_bundle(sharing, ON_CPU).manifest.file("audio").bundle == "tiny"


@pytest.mark.parametrize(
    "name", ["../tiny", "/etc", "tiny/../tiny", "", ".", "..", "Tiny", "tiny\n", "tiny/", "C:", "a\\b"]
)
def test_a_name_that_could_be_a_path_is_refused(sharing, name):
    _edit_file(sharing, 1, bundle=name)
    with pytest.raises(BundleError, match=r"files\.1\.bundle"):
        load_bundle(sharing, ON_CPU)


@pytest.mark.parametrize("path", ["../tiny/audio.onnx", "/tiny/audio.onnx", "tiny/audio.onnx"])
def test_a_shared_file_is_named_without_a_directory(sharing, path):
    _edit_file(sharing, 1, path=path)
    with pytest.raises(BundleError, match=r"files\.1\.path"):
        load_bundle(sharing, ON_CPU)


def test_an_altered_shared_file_is_refused_with_the_bundle_that_is_needed(source, sharing):
    data = bytearray((source / "audio.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (source / "audio.onnx").write_bytes(bytes(data))
    with pytest.raises(BundleError, match=r"tiny/audio\.onnx is damaged.* tiny-small .*the bundle tiny"):
        load_bundle(sharing, ON_CPU)


def test_a_shared_file_of_another_size_is_refused(source, sharing):
    with (source / "audio.onnx").open("ab") as file:
        file.write(b"more")
    with pytest.raises(BundleError, match=r"tiny/audio\.onnx .* has not .*needs the bundle tiny"):
        load_bundle(sharing, ON_CPU)


def test_without_the_other_bundle_the_error_says_which_one_is_needed(source, sharing):
    shutil.rmtree(source)
    with pytest.raises(
        BundleError, match=r"tiny/audio\.onnx is missing .*tiny-small .*needs the bundle tiny"
    ):
        load_bundle(sharing, ON_CPU)


def test_a_shared_graph_with_tensors_in_other_files_is_refused(source, sharing):
    path = source / "audio.onnx"
    onnx.save(tiny.audio_graph(), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    _edit_file(sharing, 1, sha256=sha256_of(path), size_bytes=path.stat().st_size)
    with pytest.raises(BundleError, match="another file"):
        load_bundle(sharing, ON_CPU)


def test_the_other_bundle_is_looked_for_beside_then_among_own_and_shipped_ones(
    source, sharing, tmp_path, monkeypatch
):
    own, shipped = tmp_path / "more", tmp_path / "shipped"
    monkeypatch.setattr(bundle_module, "SHIPPED_BUNDLES", shipped)
    settings = ON_CPU.model_copy(update={"bundle_dirs": (own,)})
    entry = read_manifest(sharing).file("audio")
    assert graph_path(sharing, entry, roots=(own, shipped)).parent == source
    shutil.copytree(source, own / "tiny")
    shutil.move(source, shipped / "tiny")
    assert graph_path(sharing, entry, roots=(own, shipped)).parent == own / "tiny"
    load_bundle(sharing, settings)
    shutil.rmtree(own)
    load_bundle(sharing, settings)
    shutil.rmtree(shipped)
    with pytest.raises(BundleError, match="needs the bundle tiny"):
        load_bundle(sharing, settings)


def test_a_manifest_is_written_without_the_field_unless_a_file_is_shared(source, sharing):
    files = [json.loads((directory / MANIFEST).read_text())["files"] for directory in (source, sharing)]
    assert [[file.get("bundle", "none") for file in each] for each in files] == [
        ["none", "none", "none"],
        ["none", "tiny", "tiny"],
    ]


@pytest.mark.parametrize("directory", sorted(path.parent for path in SHIPPED_BUNDLES.glob(f"*/{MANIFEST}")))
def test_a_shipped_manifest_is_written_as_it_was_read(directory, tmp_path):
    write_manifest(read_manifest(directory), tmp_path)
    assert (tmp_path / MANIFEST).read_bytes() == (directory / MANIFEST).read_bytes()


def test_the_shipped_bundles_keep_no_graph_twice_and_stay_below_60_mb_together():
    graphs = list(SHIPPED_BUNDLES.glob("*/*.onnx"))
    assert graphs
    assert len({sha256_of(path) for path in graphs}) == len(graphs)
    assert sum(path.stat().st_size for path in SHIPPED_BUNDLES.rglob("*")) < 60e6


def test_bundles_of_a_registry_have_one_session_for_a_graph_that_they_share(source, sharing):
    inference = ON_CPU.model_copy(update={"bundle": "tiny", "bundle_dirs": (source.parent,)})
    registry = BundleRegistry(Settings(inference=inference))
    first, second = registry.get("tiny"), registry.get("tiny-small")
    same = {role: first.runners[role] is second.runners[role] for role in first.runners}
    assert same == {"visual": False, "audio": True, "localize": True}


def test_a_graph_that_changed_on_disk_gets_a_session_of_its_own(source, sharing):
    inference = ON_CPU.model_copy(update={"bundle": "tiny", "bundle_dirs": (source.parent,)})
    registry = BundleRegistry(Settings(inference=inference))
    old = registry.get("tiny")
    changed = tiny.audio_graph()
    changed.doc_string = "changed"
    path = source / "audio.onnx"
    path.write_bytes(changed.SerializeToString())
    for directory in (source, sharing):
        _edit_file(directory, 1, sha256=sha256_of(path), size_bytes=path.stat().st_size)
    assert registry.get("tiny-small").runners["audio"] is not old.runners["audio"]
    assert registry.reload("tiny").runners["audio"] is registry.get("tiny-small").runners["audio"]


def test_sessions_are_not_shared_between_providers(source, sharing):
    first = load_bundle(source, ON_CPU)
    elsewhere = replace(first, info=replace(first.info, provider="CUDAExecutionProvider"))
    second = load_bundle(sharing, ON_CPU, beside=[elsewhere])
    assert second.runners["audio"] is not first.runners["audio"]
