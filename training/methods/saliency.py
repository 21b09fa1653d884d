"""What stands out of a picture, without any sound."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def saliency(tokens: Tensor) -> Tensor:
    """(N, G, G) in [0, 1], how unlike each token (N, G, G, C) is to the mean of those at the border."""
    unit = functional.normalize(tokens - tokens.mean((1, 2), keepdim=True), dim=-1)
    border = torch.ones(unit.shape[1:3], dtype=torch.bool)
    border[1:-1, 1:-1] = False
    ground = functional.normalize(unit[:, border].mean(1), dim=-1)
    return stretched(-(unit * ground[:, None, None]).sum(-1))


def stretched(maps: Tensor) -> Tensor:
    """Maps (N, G, G), each stretched to 0 .. 1."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low + 1e-10)
