"""EfficientNet-Lite (Tan and Le, 2019, arXiv:1905.11946; Lite: Google, 2020) as a dense class map."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.encoders.frozen import freeze
from training.encoders.weights import (
    EFFICIENTNET_LITE0,
    EFFICIENTNET_LITE2,
    PublishedWeights,
    published_path,
)

Variant = Literal["lite0", "lite2"]

N_CLASSES = 1000
_STEM, _HEAD = 32, 1280  # channels; the Lite variants do not scale them


@dataclass(frozen=True, slots=True)
class _Stage:
    repeats: int
    kernel: int
    stride: int
    expand: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
# Variant: (width, depth) multipliers, side of the pictures it was trained on in pixels, weights.
_VARIANTS: dict[Variant, tuple[float, float, int, PublishedWeights]] = {
    "lite0": (1.0, 1.0, 224, EFFICIENTNET_LITE0),
    "lite2": (1.1, 1.2, 260, EFFICIENTNET_LITE2),
}


class SameConv2d(nn.Conv2d):
    """Convolution padded as TensorFlow does it for inputs of one size: odd pixel last.

    The padding stays that of the size the network was trained at. Recomputed for a larger input, it would
    move the cells of every strided layer to the lower right, by half a cell of the class map in all.
    """

    def __init__(
        self, n_in: int, n_out: int, kernel: int, stride: int, *, trained_size: int, groups: int = 1
    ) -> None:
        super().__init__(n_in, n_out, kernel, stride, groups=groups, bias=False)
        total = max((math.ceil(trained_size / stride) - 1) * stride + kernel - trained_size, 0)
        self._pads = [total // 2, total - total // 2] * 2

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(functional.pad(x, self._pads))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class _Block(nn.Module):
    """Inverted bottleneck without squeeze-and-excitation."""

    def __init__(self, stage: _Stage, *, n_in: int, n_out: int, stride: int, trained_size: int) -> None:
        super().__init__()
        inner = n_in * stage.expand
        self.expands = stage.expand != 1
        self.skips = stride == 1 and n_in == n_out
        self.stride = stride
        if self.expands:
            self.expand_conv = nn.Conv2d(n_in, inner, 1, bias=False)
            self.bn0 = _norm(inner)
        self.depthwise_conv = SameConv2d(
            inner, inner, stage.kernel, stride, trained_size=trained_size, groups=inner
        )
        self.bn1 = _norm(inner)
        self.project_conv = nn.Conv2d(inner, n_out, 1, bias=False)
        self.bn2 = _norm(n_out)

    def forward(self, x: Tensor) -> Tensor:
        out = functional.relu6(self.bn0(self.expand_conv(x))) if self.expands else x
        out = functional.relu6(self.bn1(self.depthwise_conv(out)))
        out = self.bn2(self.project_conv(out))
        return out + x if self.skips else out


class EfficientNetLite(nn.Module):
    """ImageNet classifier applied at every location of its last feature map."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        width, depth, size, _ = _VARIANTS[variant]
        self.conv_stem = SameConv2d(3, _STEM, 3, 2, trained_size=size)
        size = math.ceil(size / 2)
        self.bn0 = _norm(_STEM)
        self.blocks = nn.ModuleList()
        n_in = _STEM
        for stage in _STAGES:
            # The Lite variants scale the depth of neither the first nor the last stage.
            fixed = stage in (_STAGES[0], _STAGES[-1])
            n_out = _round_channels(stage.channels * width)
            for repeat in range(stage.repeats if fixed else math.ceil(stage.repeats * depth)):
                stride = stage.stride if repeat == 0 else 1
                self.blocks.append(_Block(stage, n_in=n_in, n_out=n_out, stride=stride, trained_size=size))
                size = math.ceil(size / stride)
                n_in = n_out
        strided = [index for index, block in enumerate(self.blocks) if block.stride > 1]
        self._ends = (strided[-1] - 1, len(self.blocks) - 1)  # last blocks at strides 16 and 32
        self.conv_head = nn.Conv2d(n_in, _HEAD, 1, bias=False)
        self.bn1 = _norm(_HEAD)
        self.fc = nn.Linear(_HEAD, N_CLASSES)

    @property
    def widths(self) -> tuple[int, int]:
        """Channels of the two maps of `maps`."""
        first, last = (self.blocks[index].bn2.num_features for index in self._ends)
        return first, last

    def trunk(self, pictures: Tensor, blocks: int) -> Tensor:
        """RGB pictures (N, 3, H, W) in [0, 255] to what the first so many blocks make of them."""
        x = functional.relu6(self.bn0(self.conv_stem((pictures - 127) / 128)))
        for block in self.blocks[:blocks]:
            x = block(x)
        return x

    def maps(self, trunk: Tensor, blocks: int) -> tuple[Tensor, Tensor]:
        """What `trunk` gave after so many blocks, at most those up to stride 16, to the last maps at strides
        16 and 32, before the head."""
        found = [trunk] if blocks == self._ends[0] + 1 else []
        for index, block in enumerate(self.blocks[blocks:], blocks):
            trunk = block(trunk)
            if index in self._ends:
                found.append(trunk)
        return found[0], found[1]

    def features(self, pictures: Tensor) -> Tensor:
        """RGB pictures (N, 3, H, W) in [0, 255] to the last feature map (N, 1280, H/32, W/32)."""
        return self._head(self.trunk(pictures, len(self.blocks)))

    def _head(self, last: Tensor) -> Tensor:
        return functional.relu6(self.bn1(self.conv_head(last)))

    def classify_map(self, last: Tensor) -> Tensor:
        """The map at stride 32 to class logits (N, 1000, H/32, W/32)."""
        return functional.conv2d(self._head(last), self.fc.weight[:, :, None, None], self.fc.bias)

    def logits_map(self, pictures: Tensor) -> Tensor:
        """RGB pictures (N, 3, H, W) in [0, 255] to class logits (N, 1000, H/32, W/32)."""
        return self.classify_map(self.trunk(pictures, len(self.blocks)))

    def forward(self, pictures: Tensor) -> Tensor:
        """RGB pictures (N, 3, H, W) in [0, 255] to class probabilities (N, H/32, W/32, 1000) of each cell."""
        return torch.softmax(self.logits_map(pictures).permute(0, 2, 3, 1), -1)

    def classify(self, pictures: Tensor) -> Tensor:
        """RGB pictures (N, 3, H, W) in [0, 255] to class logits (N, 1000) of the whole picture."""
        logits: Tensor = self.fc(self.features(pictures).mean((2, 3)))
        return logits


def load_efficientnet_lite(variant: Variant = "lite2") -> EfficientNetLite:
    """The classifier with its ImageNet weights, frozen. Raises WeightsMissing."""
    network = EfficientNetLite(variant)
    state = torch.load(published_path(_VARIANTS[variant][3]), map_location="cpu", weights_only=True)
    # `_blocks.0._bn1.weight` is published for `blocks.0.bn1.weight`.
    network.load_state_dict({re.sub(r"(^|\.)_", r"\1", name): value for name, value in state.items()})
    return freeze(network)


def _round_channels(wanted: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor` that is not below 90 % of what is wanted."""
    rounded = max(divisor, int(wanted + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * wanted else rounded
