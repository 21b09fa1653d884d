"""RGB pictures to the two views of CMC: lightness, and colour."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import kornia.color
import torch
from torch import Tensor

from training.methods.cmc_images.config import Colours


class _Space(NamedTuple):
    """How a colour space is reached from RGB, and the centre and scale of its channels."""

    convert: Callable[[Tensor], Tensor]
    centre: tuple[float, float, float]
    scale: tuple[float, float, float]


def _studio_ycbcr(pictures: Tensor) -> Tensor:
    """Y in [16, 235], Cb and Cr in [16, 240] (ITU-R BT.601) as scikit-image has them; kornia's end at 1."""
    return 16 + kornia.color.rgb_to_ycbcr(pictures) * pictures.new_tensor([219, 224, 224])[:, None, None]


# `train_CMC.py` of the authors. For Lab these are the middle and half of the range of sRGB colours.
_SPACES: dict[Colours, _Space] = {
    "lab": _Space(kornia.color.rgb_to_lab, (50.0, 6.025, -6.6895), (50.0, 92.208, 101.1675)),
    "ycbcr": _Space(_studio_ycbcr, (116.151, 121.080, 132.342), (109.500, 111.855, 111.964)),
}


def split_colours(pictures: Tensor, colours: Colours) -> tuple[Tensor, Tensor]:
    """The two views of RGB pictures (section 4.1 of CMC).

    Args:
        pictures: (N, 3, H, W) in [0, 1].
        colours: the space.

    Returns:
        Lightness (N, 1, H, W) and colour (N, 2, H, W), roughly in [-1, 1].
    """
    space = _SPACES[colours]
    centre, scale = (pictures.new_tensor(values)[:, None, None] for values in (space.centre, space.scale))
    light, colour = torch.split((space.convert(pictures) - centre) / scale, [1, 2], dim=1)
    return light, colour
