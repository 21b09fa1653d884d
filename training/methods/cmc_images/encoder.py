"""The encoders of the two views: AlexNet, split into halves that share nothing."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.methods.cmc_images.colours import split_colours
from training.methods.cmc_images.config import Colours

_CHANNELS = (48, 128, 192, 192, 128)
_HIDDEN = 2048
_CELLS = 13  # of a side before the last pooling, with pictures of 224 pixels
_POOLED = 6  # and after it


class AlexNetHalf(nn.Module):
    """AlexNet with batch normalisation and half the channels (`models/alexnet.py` of the authors).

    Pictures of 32 to 224 pixels fit. Of smaller ones the cells before the last pooling are repeated until
    there are as many as with 224.
    """

    def __init__(self, n_channels: int, *, width: float, features: int) -> None:
        """Make one.

        Args:
            n_channels: of a picture.
            width: factor on all the numbers of channels and units.
            features: length of the vector.
        """
        super().__init__()
        first, second, third, fourth, fifth = (max(1, round(width * count)) for count in _CHANNELS)
        hidden = max(1, round(width * _HIDDEN))
        self.cells = nn.Sequential(
            _convolution(n_channels, first, 11, stride=4, padding=2),
            nn.MaxPool2d(3, 2),
            _convolution(first, second, 5, padding=2),
            nn.MaxPool2d(3, 2),
            _convolution(second, third, 3, padding=1),
            _convolution(third, fourth, 3, padding=1),
            _convolution(fourth, fifth, 3, padding=1),
        )
        self.layers = nn.Sequential(
            nn.MaxPool2d(3, 2), nn.Flatten(), _units(fifth * _POOLED**2, hidden), _units(hidden, hidden)
        )
        self.project = nn.Linear(hidden, features)

    def forward(self, view: Tensor) -> tuple[Tensor, Tensor]:
        """A view (N, C, S, S) to what a probe reads (N, 2048 width), and unit vectors (N, features)."""
        # Adaptive pooling has no deterministic gradient on a GPU; this has, and changes nothing at 224.
        seen = self.layers(functional.interpolate(self.cells(view), size=_CELLS, mode="nearest"))
        return seen, functional.normalize(self.project(seen), dim=1)


class Encoded(NamedTuple):
    """Pictures: `seen` (N, 4096 width) for a probe; `light` and `colour` (N, features) are unit vectors."""

    seen: Tensor
    light: Tensor
    colour: Tensor


class SplitEncoder(nn.Module):
    """An encoder of the lightness and one of the colour (section 3.2 of CMC)."""

    def __init__(self, colours: Colours, *, width: float, features: int) -> None:
        super().__init__()
        self.colours = colours
        self.light = AlexNetHalf(1, width=width, features=features)
        self.colour = AlexNetHalf(2, width=width, features=features)

    def forward(self, pictures: Tensor) -> Encoded:
        """RGB pictures (N, 3, S, S) in [0, 1], S from 32 to 224."""
        light, colour = split_colours(pictures, self.colours)
        seen_light, light = self.light(light)
        seen_colour, colour = self.colour(colour)
        return Encoded(torch.cat([seen_light, seen_colour], 1), light, colour)


def _convolution(n_in: int, n_out: int, size: int, *, stride: int = 1, padding: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, size, stride, padding, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()
    )


def _units(n_in: int, n_out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.ReLU())
