import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from training.onnx_graph import OPSET, precision_of, to_onnx


class Mix(nn.Module):
    """Two inputs, two outputs, an activation and a batch norm to fold."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, picture: Tensor, gain: Tensor) -> tuple[Tensor, Tensor]:
        x = nn.functional.gelu(self.norm(self.convolution(picture)))
        return x * gain[:, None, None, None], x.mean((1, 2, 3))


@pytest.fixture(scope="module")
def network() -> Mix:
    torch.manual_seed(0)
    return Mix().eval()


@pytest.fixture(scope="module")
def graph(network) -> onnx.ModelProto:
    examples = {"picture": torch.zeros(2, 3, 8, 8), "gain": torch.zeros(2)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return to_onnx(network, examples, outputs=("scaled", "level"), batch="B")


def axes(value: onnx.ValueInfoProto) -> list[str | int]:
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]


def test_names_and_axes_are_as_asked(graph):
    shapes = {value.name: axes(value) for value in (*graph.graph.input, *graph.graph.output)}
    assert shapes == {"picture": ["B", 3, 8, 8], "gain": ["B"], "scaled": ["B", 4, 6, 6], "level": ["B"]}
    assert graph.opset_import[0].version == OPSET
    assert precision_of(graph) == "fp32"


@pytest.mark.parametrize("count", [1, 2, 5])
def test_any_batch_size_gives_what_the_network_gives(graph, network, count):
    rng = np.random.default_rng(count)
    picture = rng.standard_normal((count, 3, 8, 8)).astype(np.float32)
    gain = rng.standard_normal(count).astype(np.float32)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    found = session.run(None, {"picture": picture, "gain": gain})
    with torch.inference_mode():
        wanted = network(torch.from_numpy(picture), torch.from_numpy(gain))
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_norms_are_folded_and_activations_stay_whole(graph):
    operators = {node.op_type for node in graph.graph.node}
    assert "BatchNormalization" not in operators
    assert "Gelu" in operators


def test_no_trace_of_the_machine_is_left(graph):
    assert b".py" not in graph.SerializeToString()
    assert [entry.key for entry in graph.metadata_props] == ["earsight.precision"]


def test_exporting_twice_gives_the_same_bytes(graph, network):
    examples = {"picture": torch.zeros(2, 3, 8, 8), "gain": torch.zeros(2)}
    again = to_onnx(network, examples, outputs=("scaled", "level"), batch="B")
    assert again.SerializeToString(deterministic=True) == graph.SerializeToString(deterministic=True)


def test_a_graph_of_someone_else_has_no_precision():
    with pytest.raises(ValueError, match="not one of ours"):
        precision_of(onnx.ModelProto())
