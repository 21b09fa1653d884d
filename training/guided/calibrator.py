"""The calibrator: from the evidence at each cell and its looks to the probability that it sounds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

GRID = 16
N_FEATURES = 17
N_DIRECTIONS = 32  # of the visual tokens: what a cell looks like, beside the evidence for its sound


class Calibrator(nn.Module):
    """An ensemble of small convolutional networks on the grid.

    The evidence lies on what tells an object; the truth is the whole object, and boxes have corners. So the
    members look at neighbours, rows and columns, and at the looks of the cells.
    """

    mean: Tensor
    scale: Tensor
    token_mean: Tensor
    directions: Tensor

    def __init__(self, members: int = 8, width: int = 384) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_FEATURES))
        self.register_buffer("scale", torch.ones(N_FEATURES))
        self.register_buffer("token_mean", torch.zeros(width))
        self.register_buffer("directions", torch.zeros(width, N_DIRECTIONS))
        self.members = nn.ModuleList(Member() for _ in range(members))

    def forward(self, features: Tensor, tokens: Tensor) -> Tensor:
        """Features (N, L, 17) and tokens (N, L, 384) to probabilities (N, L)."""
        x = self.channels(self.known(features), self.looks(tokens))
        return torch.stack([torch.sigmoid(member(x)) for member in self.members]).mean(0)

    def known(self, features: Tensor) -> Tensor:
        """(N, L, 17) features in units of their spread."""
        return (features - self.mean) / self.scale

    def looks(self, tokens: Tensor) -> Tensor:
        """(N, L, 384) tokens to (N, L, 32) of unit variance over the pictures of the fit."""
        return (tokens - self.token_mean) @ self.directions

    def channels(self, known: Tensor, looks: Tensor) -> Tensor:
        """(N, 49, 16, 16): what the members read."""
        x = torch.cat([known, looks], 2).transpose(1, 2)
        return x.reshape(-1, x.shape[1], GRID, GRID)


class Member(nn.Module):
    """One network of the ensemble: channels (N, 49, 16, 16) to logits (N, 256)."""

    def __init__(self, hidden: int = 24, blocks: int = 2, dropout: float = 0.2) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(N_FEATURES + N_DIRECTIONS, hidden, 1),
            nn.GELU(),
            nn.Dropout2d(dropout),
            *(Spread(hidden) for _ in range(blocks)),
            nn.Dropout2d(dropout),
            nn.Conv2d(hidden, 1, 1),
        )

    def forward(self, channels: Tensor) -> Tensor:
        logits: Tensor = self.layers(channels)
        return logits.flatten(1)


class Spread(nn.Module):
    """A residual block that tells each cell of its neighbours, its row, its column and the picture."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.near = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.mix = nn.Conv2d(4 * hidden, hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.gelu(self.near(x))
        # Part by part: rows, columns and the picture are few, and spread only when they are added.
        width = y.shape[1]
        own, *others = (self.mix.weight[:, k : k + width] for k in range(0, 4 * width, width))
        wide = y.amax(3, keepdim=True), y.amax(2, keepdim=True), y.mean((2, 3), keepdim=True)
        x = x + nn.functional.conv2d(y, own, self.mix.bias)
        for part, weight in zip(wide, others, strict=True):
            x = x + nn.functional.conv2d(part, weight)
        return x
