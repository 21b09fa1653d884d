import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import ModelProto, TensorProto
from torch import nn

from training.onnx_graph import precision_of, to_onnx
from training.precision import store_as_half, to_half, to_int8

N_IN, N_OUT = 120, 100  # large enough to be worth halving


@pytest.fixture(scope="module")
def graph() -> ModelProto:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(N_IN, N_OUT), nn.ReLU(), nn.Linear(N_OUT, N_OUT)).eval()
    return to_onnx(network, {"x": torch.zeros(2, 3, N_IN)}, outputs=("y",))


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((5, 3, N_IN)).astype(np.float32)


def run(model: ModelProto, values: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": values})[0]


def operators(model: ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("reduce", [to_half, to_int8, store_as_half])
def test_a_reduced_graph_is_smaller_and_nearly_the_same(graph, values, reduce):
    reduced = reduce(graph)
    assert reduced.ByteSize() < 0.65 * graph.ByteSize()
    expected, found = run(graph, values), run(reduced, values)
    assert found.dtype == np.float32
    assert 0 < np.abs(found - expected).max() < 0.03 * np.abs(expected).max()


@pytest.mark.parametrize("reduce", [to_half, to_int8, store_as_half])
def test_reducing_is_reproducible_and_leaves_the_original_alone(graph, reduce):
    before = graph.SerializeToString(deterministic=True)
    first, second = (reduce(graph).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
    assert graph.SerializeToString(deterministic=True) == before


def test_a_graph_says_in_which_precision_it_computes(graph):
    assert precision_of(graph) == "fp32"
    assert precision_of(to_half(graph)) == "fp16"
    assert precision_of(to_int8(graph)) == "int8"
    assert precision_of(store_as_half(graph)) == "fp32"


def test_integer_weights_leave_room_for_sums_of_16_bits(graph):
    quantised = to_int8(graph)
    weights = [
        onnx.numpy_helper.to_array(constant).astype(int)
        for constant in quantised.graph.initializer
        if constant.data_type == TensorProto.INT8 and len(constant.dims) == 2
    ]
    assert "MatMulInteger" in operators(quantised)
    assert len(weights) == 2
    for weight in weights:
        assert 60 <= np.abs(weight).max() <= 64
        assert 2 * 255 * np.abs(weight).max() < 2**15


def test_constants_can_be_kept_from_being_stored_as_half(graph):
    stored = store_as_half(graph, keep=[constant.name for constant in graph.graph.initializer])
    assert stored.SerializeToString(deterministic=True) == graph.SerializeToString(deterministic=True)
