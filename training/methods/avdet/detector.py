"""The detector: visual tokens to a box, a score and a class at each cell. It hears nothing.

Anchor-free and of one scale, as FCOS (Tian et al., ICCV 2019): each cell tells how far the four sides of the
box around it are, which class it shows, and how well the box will fit (in place of FCOS' centrality, as the
authors' later code has it).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

_RARE = 0.01  # score of every class before training (Lin et al., ICCV 2017, section 4.1)
_KERNEL = 7


class Answers(NamedTuple):
    """What the detector says of L = G * G cells.

    Attributes:
        boxes: (N, L, 4) xyxy as fractions of the frame, not clipped.
        classes: (N, L, K) logits.
        fit: (N, L) logits of the IoU that the box will have.
    """

    boxes: Tensor
    classes: Tensor
    fit: Tensor

    @property
    def scores(self) -> Tensor:
        """(N, L) in [0, 1]: the geometric mean of what all classes say together and of the fit.

        Kinds that were split over several clusters share their probability; the best class alone would say
        less of them.
        """
        return (torch.sigmoid(self.classes.logsumexp(2)) * torch.sigmoid(self.fit)).sqrt()


class Block(nn.Module):
    """Each channel looks around, then each cell thinks (ConvNeXt without a wider middle)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(width, width, _KERNEL, padding=_KERNEL // 2, groups=width)
        self.norm = nn.GroupNorm(1, width)
        self.think = nn.Sequential(nn.Conv2d(width, width, 1), nn.GELU(), nn.Conv2d(width, width, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, W, G, G) to the same."""
        return maps + self.think(self.norm(self.look(maps)))


class DetectorHead(nn.Module):
    """Scaled tokens (N, G, G, C) to `Answers`."""

    cells: Tensor

    def __init__(
        self, channels: int, classes: int, *, grid: int, width: int, blocks: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Dropout(dropout), nn.Conv2d(channels, width, 1))
        self.blocks = nn.Sequential(*(Block(width) for _ in range(blocks)), nn.GroupNorm(1, width), nn.GELU())
        self.forget = nn.Dropout(dropout)
        self.classes = nn.Conv2d(width, classes, 1)
        self.shape = nn.Conv2d(width, 5, 1)  # the four distances, and the fit
        nn.init.constant_(self.classes.bias, -torch.logit(torch.tensor(1 - _RARE)).item())
        self.register_buffer("cells", cell_centres(grid))

    def forward(self, seen: Tensor) -> Answers:
        maps = self.forget(self.blocks(self.stem(seen.movedim(-1, 1))))
        shape = self.shape(maps).flatten(2).transpose(1, 2)  # (N, L, 5)
        left_top, right_bottom = functional.softplus(shape[:, :, :4] - 1).split(2, 2)
        boxes = torch.cat([self.cells - left_top, self.cells + right_bottom], 2)
        return Answers(boxes, self.classes(maps).flatten(2).transpose(1, 2), shape[:, :, 4])


def cell_centres(grid: int) -> Tensor:
    """(L, 2) x and y of the centres of the cells, as fractions of the frame, row by row."""
    along = (torch.arange(grid) + 0.5) / grid
    return torch.stack(torch.meshgrid(along, along, indexing="xy"), -1).reshape(-1, 2)
