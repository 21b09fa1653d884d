"""The student: one small backbone that gives all that the heads read, tokens and class map."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.encoders.efficientnet_lite import EfficientNetLite


class Shapes(NamedTuple):
    """What the teacher gives: cells of a side and channels of tokens, cells of a side of the class map."""

    grid: int
    token: int
    class_cells: int


class Student(nn.Module):
    """EfficientNet-Lite and a projector; computes what the visual graph of a bundle does.

    The projector is the paper's (section 3.2): 1x1, 3x3 and 1x1 convolutions, batch norm and ReLU behind the
    first two. Behind the last there is neither, as DINOv2's tokens have no ReLU. It reads the maps at
    strides 16 and 32, both brought to the teacher's grid: the last one alone has a quarter of its cells.
    """

    def __init__(self, backbone: EfficientNetLite, shapes: Shapes, *, reduction: int, frozen: int) -> None:
        """
        Args:
            backbone: with the weights to start from.
            shapes: of the teacher.
            reduction: how much narrower than tokens the hidden layers are.
            frozen: so many blocks, and the stem, are not trained.
        """
        super().__init__()
        self.backbone, self.shapes, self.frozen = backbone, shapes, frozen
        hidden = shapes.token // reduction
        self.projector = nn.Sequential(
            nn.Conv2d(sum(backbone.widths), hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 3, padding=1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, shapes.token, 1),
        )
        backbone.requires_grad_(True)
        for part in (backbone.conv_stem, backbone.bn0, *backbone.blocks[:frozen]):
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> Student:
        """As usual, but for the backbone: its norms keep the statistics of ImageNet."""
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """RGB frames (N, S, S, 3) uint8 to tokens (N, G, G, Dv) and class map (N, H, W, 1000), a softmax."""
        tokens, logits = self.outputs(self.trunk(frames))
        return tokens, torch.softmax(logits, -1)

    def trunk(self, frames: Tensor) -> Tensor:
        """RGB frames (N, S, S, 3) uint8 to what the frozen blocks give, (N, C, h, w)."""
        return self.backbone.trunk(frames.permute(0, 3, 1, 2).float(), self.frozen)

    def outputs(self, trunk: Tensor) -> tuple[Tensor, Tensor]:
        """What the frozen blocks give to tokens and the logits of the class map."""
        maps = self.backbone.maps(trunk, self.frozen)
        joined = torch.cat([_resized(one, self.shapes.grid) for one in maps], 1)
        logits = _resized(self.backbone.classify_map(maps[-1]), self.shapes.class_cells)
        return self.projector(joined).permute(0, 2, 3, 1), logits.permute(0, 2, 3, 1)


def _resized(one: Tensor, side: int) -> Tensor:
    if one.shape[-1] == side:
        return one
    return functional.interpolate(one, (side, side), mode="bilinear", align_corners=False)
