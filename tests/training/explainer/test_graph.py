import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from app.inference.contract import GRAPHS, Explained
from tests.tiny_bundle import CELLS, LABELS
from training.explainer.graph import Told, explain_graph
from training.methods.stan.network import Clips, Masks
from training.precision import WORTH_HALVING


@pytest.fixture(scope="module")
def explainer(random_explainer):
    return random_explainer()


@pytest.fixture(scope="module")
def run(graph):
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])

    def explain(inputs):
        given = {name: np.asarray(part) for name, part in inputs.items()}
        return Explained(*session.run(Explained._fields, given))

    return explain


def clip_of(n_steps, n_versions, *, target=-1, seed=0):
    """Inputs of the graph, a part of each version hidden."""
    torch.manual_seed(seed)
    return {
        "tokens": torch.randn(n_steps, CELLS, CELLS, 3),
        "class_map": torch.rand(n_steps, 2, 2, 3),
        "window": torch.rand(n_steps, 2),
        "heat": torch.rand(n_steps, CELLS, CELLS),
        "cells": (torch.rand(n_versions, n_steps, CELLS, CELLS) < 0.5).float(),
        "steps": (torch.rand(n_versions, n_steps) < 0.5).float(),
        "blurred": torch.arange(n_versions) % 2.0,
        "silent": torch.arange(n_versions) // 2 % 2.0,
        "target": torch.tensor(target),
    }


def whole_clip(explainer, inputs):
    perception = explainer.perception
    seen = perception.see(inputs["tokens"], inputs["class_map"])
    heard, told = perception.hear(inputs["window"])
    there = torch.ones(1, len(seen), dtype=torch.bool)
    return Clips(seen[None], heard[None], told[None], inputs["heat"].flatten(1)[None], there)


@pytest.mark.parametrize(("n_steps", "n_versions"), [(1, 1), (2, 5), (7, 1), (20, 66)])
@pytest.mark.parametrize("target", [-1, 3])
def test_the_graph_says_what_the_module_says(explainer, run, n_steps, n_versions, target):
    inputs = clip_of(n_steps, n_versions, target=target)
    told = run(inputs)
    with torch.no_grad():
        clip = whole_clip(explainer, inputs)
        recognised, attention = explainer(clip)
        event = torch.from_numpy(told.chosen)
        masks = Masks(inputs["cells"].flatten(2), inputs["steps"], inputs["blurred"], inputs["silent"])
        # All events of all versions, by the way that they were trained.
        many = Clips(*(part.expand(n_versions, *part.shape[1:]) for part in clip))
        versions, _ = explainer(many, masks)
        when_audio, when_visual, where = explainer.maps(clip, attention, event)
    if target >= 0:
        assert told.chosen == target
    wanted = {
        "scores": recognised.logits[0].sigmoid(),
        "logits": versions.logits[:, event],
        "when_audio": when_audio,
        "when_visual": when_visual,
        "where": where.reshape(n_steps, CELLS, CELLS),
    }
    for name, values in wanted.items():
        np.testing.assert_allclose(getattr(told, name), values, atol=1e-5, rtol=1e-4, err_msg=name)
    constant = explainer.network.fusion[2].item()
    np.testing.assert_allclose(told.by_sight + told.by_sound + constant, told.logits, atol=1e-4)
    assert told.by_sight.std() > 1e-3 or n_versions == 1
    for part in (told.when_audio, told.when_visual, told.where):
        assert part.sum() == pytest.approx(1, abs=1e-4)


def test_types_and_axes_are_those_of_the_contract(graph):
    inputs, outputs = GRAPHS["explain"]

    def spec_of(values):
        kinds = {value.name: value.type.tensor_type for value in values}
        return {
            name: (
                onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name,
                [axis.dim_param or axis.dim_value for axis in kind.shape.dim],
            )
            for name, kind in kinds.items()
        }

    given, told = spec_of(graph.graph.input), spec_of(graph.graph.output)
    assert {name: kind for name, (kind, _) in given.items()} == inputs
    assert {name: kind for name, (kind, _) in told.items()} == outputs
    assert (given["cells"][1], given["target"][1]) == (["B", "T", CELLS, CELLS], [])
    shapes = {name: shape for name, (_, shape) in told.items()}
    assert (shapes["scores"], shapes["logits"], shapes["where"]) == ([4], ["B"], ["T", CELLS, CELLS])


def test_silence_is_never_what_is_explained_unless_it_is_asked_for(random_explainer, references):
    explainer, silence = random_explainer(), LABELS.index("Silence")
    explainer.network.bias.data[silence] = 50
    explainer.network.bias.data[0] = 20
    network = Told(explainer, references)

    def explain(target):
        with torch.no_grad():
            return Explained(*network(**clip_of(3, 2, target=target)))

    told = explain(-1)
    assert told.scores.argmax() == silence
    assert told.chosen == 0
    assert explain(silence).chosen == silence


def test_the_references_are_constant(run, references):
    for inputs in (clip_of(2, 1), clip_of(3, 2, seed=1)):
        told = run(inputs)
        assert np.array_equal(told.reference_events, references.events)
        assert np.array_equal(told.reference_window, references.window)


def test_large_constants_are_stored_in_half_precision(graph):
    large = [part for part in graph.graph.initializer if np.prod(part.dims) >= WORTH_HALVING]
    assert large
    assert {part.data_type for part in large} == {onnx.TensorProto.FLOAT16}


def test_the_same_explainer_gives_the_same_file(random_explainer, references, graph):
    again = explain_graph(random_explainer(), references)
    assert again.SerializeToString(deterministic=True) == graph.SerializeToString(deterministic=True)
