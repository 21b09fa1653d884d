"""The graphs of a bundle against the networks they come from, in all precisions."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import ModelProto

from app.inference.bundle import SHIPPED_BUNDLES
from training.encoders.visual import load_visual
from training.encoders.weights import DINOV2, EFFICIENTNET_LITE2, YAMNET
from training.encoders.yamnet import load_yamnet
from training.export import audio_graph, reduce_audio, reduce_visual, visual_graph

pytestmark = pytest.mark.weights

FP32_LIMIT = 1e-4
# Cosine to the float32 network: (mean, smallest) over the tokens or windows.
COSINES = {"int8": (0.995, 0.9), "fp16": (0.9999, 0.999)}
AUDIO_COSINE = 0.999
# Scores of events and probabilities of classes whose weights are stored, or computed with, in 16 bits.
PROBABILITY_LIMIT = 0.03


@pytest.fixture(scope="module")
def visual(published):
    for weights in (DINOV2, EFFICIENTNET_LITE2):
        published(weights)
    network = load_visual()
    return network, visual_graph(network)


@pytest.fixture(scope="module")
def audio(published):
    published(YAMNET)
    network = load_yamnet()
    return network, audio_graph(network)


@pytest.fixture(scope="module")
def windows(sounds) -> np.ndarray:
    return np.stack(list(sounds.values()))


def run(graph: ModelProto, values: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options)
    return session.run(None, {session.get_inputs()[0].name: values})


def expected(network: torch.nn.Module, values: np.ndarray) -> list[np.ndarray]:
    with torch.inference_mode():
        return [output.numpy() for output in network(torch.from_numpy(values))]


def cosines(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    a, b = (values.reshape(-1, values.shape[-1]).astype(np.float64) for values in (found, wanted))
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize("count", [1, 3])
def test_the_float_visual_graph_computes_what_the_network_computes(visual, pictures, count):
    network, graph = visual
    tokens, class_map = run(graph, pictures[:count])
    wanted_tokens, wanted_class_map = expected(network, pictures[:count])
    assert tokens.shape == (count, 16, 16, 384)
    assert class_map.shape == (count, 14, 14, 1000)
    np.testing.assert_allclose(tokens, wanted_tokens, atol=FP32_LIMIT)
    np.testing.assert_allclose(class_map, wanted_class_map, atol=FP32_LIMIT)


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_a_reduced_visual_graph_stays_near_the_network(visual, pictures, precision):
    network, graph = visual
    tokens, class_map = run(reduce_visual(graph, precision), pictures)
    wanted_tokens, wanted_class_map = expected(network, pictures)
    mean, smallest = COSINES[precision]
    found = cosines(tokens, wanted_tokens)
    assert found.mean() > mean
    assert found.min() > smallest
    assert np.abs(class_map - wanted_class_map).max() < PROBABILITY_LIMIT


@pytest.mark.parametrize("precision", ["fp32", "int8", "fp16"])
def test_an_audio_graph_computes_what_the_network_computes(audio, windows, precision):
    network, graph = audio
    scores, embedding = run(reduce_audio(graph, precision), windows)
    wanted_scores, wanted_embedding = expected(network, windows)
    limit = FP32_LIMIT if precision == "fp32" else PROBABILITY_LIMIT
    assert scores.shape == (len(windows), 521)
    np.testing.assert_allclose(scores, wanted_scores, atol=limit)
    assert cosines(embedding, wanted_embedding).min() > AUDIO_COSINE


def test_a_window_sounds_the_same_alone_as_among_others(audio, windows):
    _, graph = audio
    together = run(graph, windows)
    alone = run(graph, windows[2:3])
    for one, all_ in zip(alone, together, strict=True):
        np.testing.assert_allclose(one[0], all_[2], atol=FP32_LIMIT)


def test_the_committed_graphs_compute_what_the_networks_compute(visual, audio, pictures, windows):
    tokens, class_map = run(onnx.load(SHIPPED_BUNDLES / "default" / "visual.onnx"), pictures)
    wanted_tokens, wanted_class_map = expected(visual[0], pictures)
    assert cosines(tokens, wanted_tokens).mean() > COSINES["int8"][0]
    assert np.abs(class_map - wanted_class_map).max() < PROBABILITY_LIMIT
    scores, _ = run(onnx.load(SHIPPED_BUNDLES / "default" / "audio.onnx"), windows)
    np.testing.assert_allclose(scores, expected(audio[0], windows)[0], atol=PROBABILITY_LIMIT)


def test_a_bundle_for_cpus_fits_into_60_megabytes(visual, audio):
    sizes = [
        reduce_visual(visual[1], "int8").ByteSize(),
        reduce_audio(audio[1], "int8").ByteSize(),
    ]
    assert sum(sizes) < 50e6, "the localize graph needs some room too"
