"""The explainer of the default bundle on its way into it."""

import pytest
import torch
from torch import nn

from app.inference.bundle import SHIPPED_BUNDLES
from app.inference.manifest import Explainer
from tests import tiny_bundle
from training import export
from training.explainer import shipped
from training.explainer.shipped import Kept
from training.export import Networks, build_graphs, export_bundle, load_networks
from training.manifest import build_manifest

DEFAULT = SHIPPED_BUNDLES / "default"


@pytest.fixture
def kept(random_explainer, references, graph, monkeypatch):
    """An explainer whose graph is there already: tracing takes seconds."""
    monkeypatch.setattr("training.explainer.graph.explain_graph", lambda *_: graph)
    return Kept(random_explainer(), references)


@pytest.fixture
def without_encoders(monkeypatch):
    """Graphs of the tiny bundle in the place of those that would have to be fetched and traced, and no names
    in the place of those that would have to be fetched and compared."""
    for role in ("visual", "audio", "localize"):
        made = getattr(tiny_bundle, f"{role}_graph")()
        monkeypatch.setattr(export, f"{role}_graph", lambda _, made=made: made)
    for place in ("training.export.load_visual", "training.export.load_yamnet"):
        monkeypatch.setattr(place, nn.Identity)
    monkeypatch.setattr("training.guided.names.class_names", list)
    monkeypatch.setattr("training.methods.language_guidance.naming.name_link", lambda *_names: torch.eye(2))


def test_an_explainer_becomes_a_graph_beside_the_others(without_encoders, kept, graph):
    networks = Networks(nn.Identity(), nn.Identity(), nn.Identity(), explain=kept)
    built = dict(build_graphs(networks, "fp32"))
    assert list(built) == ["visual", "audio", "localize", "explain"]
    assert built["explain"] is graph


def test_names_become_a_graph_beside_the_others(without_encoders):
    networks = Networks(nn.Identity(), nn.Identity(), nn.Identity(), name=torch.eye(1000, 521))
    assert list(dict(build_graphs(networks, "fp32"))) == ["visual", "audio", "localize", "name"]


def test_graphs_of_an_earlier_export_do_not_stay(without_encoders, tmp_path):
    for role in ("explain", "name"):
        (tmp_path / f"{role}.onnx").write_bytes(b"old")
    networks = Networks(nn.Identity(), nn.Identity(), nn.Identity())
    export_bundle(tmp_path, precision="fp32", networks=networks, describe=lambda _: build_manifest(DEFAULT))
    assert sorted(path.name for path in tmp_path.glob("*.onnx")) == [
        "audio.onnx",
        "localize.onnx",
        "visual.onnx",
    ]


@pytest.mark.parametrize("there", [True, False])
def test_the_default_bundle_explains_if_an_explainer_is_kept(
    without_encoders, random_explainer, references, monkeypatch, tmp_path, there
):
    places = {"weights": tmp_path / "kept.safetensors", "about": tmp_path / "kept.json"}
    monkeypatch.setattr(shipped.load_shipped, "__kwdefaults__", places)
    monkeypatch.setattr(shipped, "WEIGHTS", places["weights"])
    if there:
        shipped.keep(random_explainer(), references, **places)
    networks = load_networks()
    assert networks.detect is not None
    assert torch.equal(networks.name, torch.eye(2))
    assert (networks.explain is not None) == there


def test_the_manifest_describes_an_explainer_that_lies_in_the_directory(kept, graph, monkeypatch, tmp_path):
    monkeypatch.setattr(shipped, "load_shipped", lambda: kept)
    for role in ("visual", "audio", "localize"):
        (tmp_path / f"{role}.onnx").symlink_to(DEFAULT / f"{role}.onnx")
    (tmp_path / "explain.onnx").write_bytes(graph.SerializeToString())
    manifest = build_manifest(tmp_path)
    assert manifest.tasks == ("localize", "explain")
    assert [entry.role for entry in manifest.files] == ["visual", "audio", "localize", "explain"]
    assert manifest.explainer == Explainer(
        threshold=0.25, vague=0.875, presence=0.375, references=("loud", "soft")
    )
    assert manifest.weights[-1].source == "training/explainer"
