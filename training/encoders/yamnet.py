"""YAMNet audio events (Plakal and Ellis, 2020; MobileNet v1 on AudioSet), log-mel spectrogram included."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from training.encoders.events import EVENT_NAMES
from training.encoders.frozen import freeze
from training.encoders.weights import YAMNET, published_path

SAMPLE_RATE_HZ = 16_000
WINDOW_SAMPLES = 15_600  # 96 spectrogram frames: 400 + 95 * 160
N_EVENTS = 521
WIDTH = 1024

_FRAME, _HOP, _FFT = 400, 160, 512  # samples: 25 ms every 10 ms, padded to a power of two
_N_MEL, _LOW_HZ, _HIGH_HZ = 64, 125.0, 7500.0
_LOG_OFFSET = 0.001
# Output channels and stride of the 13 separable convolutions after the first one.
_LAYERS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)


def mel_matrix() -> npt.NDArray[np.float64]:
    """Weights (257, 64) from spectrum bins to mel bands, as tf.signal.linear_to_mel_weight_matrix makes them.

    The slopes of the triangles are straight in mel (HTK), not in hertz, and nothing is taken from bin 0.
    """

    def mel(hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return 1127 * np.log1p(hertz / 700)

    edges = np.linspace(*mel(np.array([_LOW_HZ, _HIGH_HZ])), _N_MEL + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    bins = mel(np.linspace(0, SAMPLE_RATE_HZ / 2, _FFT // 2 + 1))[:, None]
    weights = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)).clip(0)
    weights[0] = 0
    return weights


class LogMel(nn.Module):
    """Waveform to log-mel spectrogram. Its Fourier transform is a convolution: any ONNX runtime has that."""

    basis: Tensor
    mel: Tensor

    def __init__(self, offset: float = _LOG_OFFSET) -> None:
        """The front end of YAMNet, or with another `offset` before the logarithm that of VGGish."""
        super().__init__()
        self.offset = offset
        mel = mel_matrix()
        used = np.flatnonzero(mel.any(1))  # bins that no band listens to are not computed
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FRAME) / _FRAME)  # periodic
        angle = 2 * np.pi / _FFT * used[:, None] * np.arange(_FRAME)
        basis = np.concatenate([np.cos(angle), np.sin(angle)]) * hann
        self.register_buffer("basis", torch.from_numpy(basis).float()[:, None])  # (2 B, 1, 400)
        self.register_buffer("mel", torch.from_numpy(mel[used].T.copy()).float()[:, :, None])  # (64, B, 1)

    def forward(self, windows: Tensor) -> Tensor:
        """16 kHz windows (W, n) in [-1, 1] to (W, frames, 64), one frame every 10 ms."""
        spectrum = functional.conv1d(windows[:, None], self.basis, stride=_HOP)
        real, imaginary = spectrum.chunk(2, 1)
        magnitude = torch.sqrt(real * real + imaginary * imaginary)
        return torch.log(functional.conv1d(magnitude, self.mel) + self.offset).transpose(1, 2)


class YamNet(nn.Module):
    """Windows of sound to the scores of 521 AudioSet events, and an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.log_mel = LogMel()
        convolutions = [_convolution(1, 32, stride=2)]
        n_in = 32
        for n_out, stride in _LAYERS:
            convolutions.append(_convolution(n_in, n_in, stride=stride, groups=n_in))
            convolutions.append(_convolution(n_in, n_out, kernel=1))
            n_in = n_out
        self.convolutions = nn.ModuleList(convolutions)
        self.classifier = nn.Linear(WIDTH, N_EVENTS)

    def classify(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Spectrograms (W, 96, 64) to logits (W, 521) and embeddings (W, 1024)."""
        x = log_mel[:, None]
        for convolution in self.convolutions:
            if convolution.stride == (2, 2):  # all sizes are even here: TensorFlow pads the far side only
                x = functional.pad(x, (0, 1, 0, 1))
            x = functional.relu(convolution(x))
        embedding = x.mean((2, 3))
        return self.classifier(embedding), embedding

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """16 kHz windows (W, 15600) in [-1, 1] to scores (W, 521) in [0, 1] and embeddings (W, 1024)."""
        logits, embedding = self.classify(self.log_mel(windows))
        return torch.sigmoid(logits), embedding


def _convolution(n_in: int, n_out: int, *, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    padding = kernel // 2 if stride == 1 else 0
    return nn.Conv2d(n_in, n_out, kernel, stride, padding, groups=groups)


def load_yamnet() -> YamNet:
    """The network with its AudioSet weights, frozen. Raises WeightsMissing; ValueError if they do not fit."""
    network = YamNet()
    graph = read_published_graph(published_path(YAMNET)).graph
    arrays = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    layers = [node for node in graph.node if node.op_type in ("Conv", "Gemm")]
    modules = [*network.convolutions, network.classifier]
    if len(layers) != len(modules):
        raise ValueError(f"{YAMNET.path} has {len(layers)} layers, YAMNet has {len(modules)}")
    for node, module in zip(layers, modules, strict=True):
        weight, bias = (torch.from_numpy(arrays[name].copy()) for name in node.input[1:])
        module.load_state_dict({"weight": weight, "bias": bias})
    return freeze(network)


def read_published_graph(archive: Path) -> onnx.ModelProto:
    """The published graph as the float network that it was made from: without quantisation, weights inline.

    One input (1, 1, 96, 64), log-mel, and one output (1, 521), logits.
    """
    with tempfile.TemporaryDirectory() as scratch:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(scratch)
        model = onnx.load(next(Path(scratch).rglob("*.onnx")))
    graph = model.graph
    quantisers = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    origin: dict[str, str] = {}  # what a quantised tensor was before; nodes are in topological order
    for node in quantisers:
        origin[node.output[0]] = origin.get(node.input[0], node.input[0])
        graph.node.remove(node)
    for node in graph.node:
        node.input[:] = [origin.get(name, name) for name in node.input]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
        value.name = origin.get(value.name, value.name)
    return model


def event_names() -> tuple[str, ...]:
    """The 521 AudioSet display names in the order of the scores."""
    return EVENT_NAMES
