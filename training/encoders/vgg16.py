"""VGG-16 visual features (Simonyan and Zisserman, 2015, arXiv:1409.1556), as SSPL takes them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

WIDTH = 512
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_BLOCKS = ((64, 64), (128, 128), (256,) * 3, (WIDTH,) * 3, (WIDTH,) * 3)
_LAYERS = 29  # of 31: the last ReLU and the last pooling are left out


def vgg_layers(n_in: int, blocks: Iterable[Iterable[int]]) -> nn.Sequential:
    """3 x 3 convolutions to so many channels, a ReLU after each and a 2 x 2 max pooling after each block."""
    layers: list[nn.Module] = []
    for block in blocks:
        for n_out in block:
            layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.ReLU(inplace=True)]
            n_in = n_out
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


class Vgg16Features(nn.Module):
    """Pictures to one token per cell of 16 pixels: the fifth block's third convolution before its ReLU.

    Parameters are named as in torchvision's VGG-16, `features.0.weight` to `features.28.bias`. SSPL (Song et
    al., CVPR 2022) takes `features[0:29]` of it.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.features = vgg_layers(3, _BLOCKS)[:_LAYERS]
        self.register_buffer("mean", 255 * torch.tensor(_IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(_IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """RGB pictures (N, 3, H, W) in [0, 255] to tokens (N, H/16, W/16, 512): 14 x 14 of 224 pixels."""
        features: Tensor = self.features((pictures - self.mean) / self.std)
        return features.permute(0, 2, 3, 1)
