import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from app.inference.bundle import SHIPPED_BUNDLES, load_bundle
from app.inference.manifest import MANIFEST, read_manifest, sha256_of
from app.settings import InferenceSettings
from training.encoders.events import EVENT_NAMES
from training.encoders.weights import CACHE_VARIABLE, WeightsMissing
from training.encoders.yamnet import LogMel
from training.export import Networks, export_bundle
from training.guided.bridge import NOISE_EVENTS
from training.guided.localizer import load_localizer
from training.manifest import ROLES, build_manifest


class TinyVisual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Linear(3, 384)
        self.classes = nn.Linear(3, 1000)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        pictures = frames.permute(0, 3, 1, 2).float() / 255
        small = nn.functional.avg_pool2d(pictures, 28).permute(0, 2, 3, 1)
        class_map = nn.functional.avg_pool2d(pictures, 32).permute(0, 2, 3, 1)
        return self.tokens(small), torch.softmax(self.classes(class_map), -1)


class TinyAudio(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.log_mel = LogMel()
        self.embedding = nn.Linear(64, 1024)
        self.classifier = nn.Linear(1024, 521)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.embedding(self.log_mel(windows).mean(1))
        return torch.sigmoid(self.classifier(embedding)), embedding


class TinyHead(nn.Module):
    def forward(self, tokens: Tensor, class_map: Tensor, events: Tensor) -> tuple[Tensor, Tensor]:
        seen = tokens.mean(3) + class_map.amax((1, 2, 3))[:, None, None]
        heatmap = torch.sigmoid(seen) * events.amax(1)[:, None, None]
        return heatmap, heatmap.amax((1, 2))


@pytest.fixture(scope="module")
def networks() -> Networks:
    torch.manual_seed(0)
    made = Networks(TinyVisual(), TinyAudio(), TinyHead())
    for network in (made.visual, made.audio, made.localize):
        network.eval().requires_grad_(False)
    return made


@pytest.fixture(scope="module")
def int8_bundle(networks, tmp_path_factory):
    directory = tmp_path_factory.mktemp("bundles") / "made" / "default"
    said = []
    manifest = export_bundle(directory, networks=networks, say=said.append)
    return directory, manifest, said


def test_a_bundle_holds_three_graphs_and_a_manifest_and_nothing_else(int8_bundle):
    directory, manifest, said = int8_bundle
    assert {path.name for path in directory.iterdir()} == {MANIFEST, *(f"{role}.onnx" for role in ROLES)}
    assert read_manifest(directory) == manifest == build_manifest(directory)
    assert [line.split(":")[0] for line in said] == [str(directory / f"{role}.onnx") for role in ROLES]


def test_the_manifest_describes_the_graphs_as_they_are(int8_bundle):
    directory, manifest, _ = int8_bundle
    for entry in manifest.files:
        path = directory / entry.path
        assert (entry.sha256, entry.size_bytes) == (sha256_of(path), path.stat().st_size)
    visual, audio, localize = manifest.files
    assert [entry.precision for entry in manifest.files] == ["int8", "fp32", "fp32"]
    assert visual.inputs[0].model_dump() == {"name": "frames", "dtype": "uint8", "shape": ("N", 448, 448, 3)}
    assert [spec.shape for spec in visual.outputs] == [("N", 16, 16, 384), ("N", 14, 14, 1000)]
    assert [spec.shape for spec in (*audio.inputs, *audio.outputs)] == [
        ("W", 15600),
        ("W", 521),
        ("W", 1024),
    ]
    assert [spec.name for spec in localize.inputs] == ["tokens", "class_map", "events"]
    assert (manifest.input_size, manifest.grid) == (448, (16, 16))
    assert (manifest.audio.window_samples, manifest.audio.hop_samples) == (15600, 7680)
    assert manifest.events.labels == EVENT_NAMES


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_server_loads_every_precision_and_gets_nearly_the_same(
    networks, int8_bundle, precision, tmp_path
):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (3, 448, 448, 3), dtype=np.uint8)
    windows = rng.uniform(-0.5, 0.5, (3, 15600)).astype(np.float32)
    manifest = export_bundle(tmp_path, precision=precision, networks=networks)
    assert [entry.precision for entry in manifest.files] == [precision, "fp32", "fp32"]

    settings = InferenceSettings(threads=1, device="cpu")
    heatmaps = []
    for directory in (int8_bundle[0], tmp_path):
        bundle = load_bundle(directory, settings)
        tokens, class_map = bundle.visual(frames)
        scores, embedding = bundle.audio(windows)
        heatmaps.append(bundle.localize(tokens, class_map, scores, embedding)[0])
    np.testing.assert_allclose(heatmaps[0], heatmaps[1], atol=0.02)


def test_exporting_twice_gives_the_same_bytes(networks, int8_bundle, tmp_path):
    again = tmp_path / "default"
    export_bundle(again, networks=networks)
    for path in int8_bundle[0].iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_committed_head_is_the_one_in_the_shipped_bundle():
    rng = np.random.default_rng(0)
    tokens = rng.standard_normal((3, 16, 16, 384)).astype(np.float32)
    class_map = rng.dirichlet(np.full(1000, 0.01), (3, 14, 14)).astype(np.float32)
    events = rng.uniform(0, 1, (3, 521)).astype(np.float32)
    events[:, NOISE_EVENTS] = 0  # which would dim the map
    graph = onnxruntime.InferenceSession(SHIPPED_BUNDLES / "default" / "localize.onnx")
    heatmap, presence = graph.run(None, {"tokens": tokens, "class_map": class_map, "events": events})
    with torch.inference_mode():
        wanted = load_localizer()(*map(torch.from_numpy, (tokens, class_map, events)))
    assert heatmap.std() > 0.01
    np.testing.assert_allclose(heatmap, wanted[0], atol=1e-4)
    np.testing.assert_allclose(presence, wanted[1], atol=1e-4)


def test_exporting_without_the_weights_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "empty"))
    with pytest.raises(WeightsMissing, match="fetch-weights"):
        export_bundle(tmp_path / "bundle")
