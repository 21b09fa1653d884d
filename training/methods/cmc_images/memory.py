"""The memory of CMC: a vector of each view of each picture, and the losses against noise drawn from it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEAST = 1e-7  # as in `NCE/NCECriterion.py` of the authors


class MemoryBanks(nn.Module):
    """What the encoders said last of each training picture (section 3.3 of CMC, `NCE/NCEAverage.py`).

    Attributes:
        light, colour: (n_items, features), of one view each. Noise at first, then unit vectors.
    """

    light: Tensor
    colour: Tensor

    def __init__(self, n_items: int, *, features: int, momentum: float) -> None:
        """Fill the banks with noise in (-s, s), s = 1 / sqrt(features / 3).

        Args:
            n_items: training pictures.
            features: length of a vector.
            momentum: share of the old vector that an update leaves.
        """
        super().__init__()
        self.momentum = momentum
        bound = 1 / math.sqrt(features / 3)
        for name in ("light", "colour"):
            self.register_buffer(name, (2 * torch.rand(n_items, features) - 1) * bound)

    def draw(self, items: Tensor, n_noise: int) -> Tensor:
        """Whom each of the items (B,) is compared with.

        Returns:
            (B, 1 + n_noise) int64: itself in slot 0, then items drawn evenly, with replacement; it may be
            among them.
        """
        noise = torch.randint(len(self.light), (len(items), n_noise), device=items.device)
        return torch.cat([items[:, None], noise], 1)

    def similarity(self, light: Tensor, colour: Tensor, slots: Tensor) -> tuple[Tensor, Tensor]:
        """Products of each view with the other view of the items in its slots.

        Args:
            light, colour: (B, features), unit vectors.
            slots: (B, K + 1), as `draw` gives them.

        Returns:
            Of light with the bank of colour, and the other way round, (B, K + 1) each.
        """
        of_light = torch.einsum("bd,bkd->bk", light, self.colour[slots])
        of_colour = torch.einsum("bd,bkd->bk", colour, self.light[slots])
        return of_light.float(), of_colour.float()

    @torch.no_grad()
    def update(self, items: Tensor, light: Tensor, colour: Tensor) -> None:
        """Move the vectors of the items (B,), each of them another, towards new ones (B, features)."""
        for bank, new in ((self.light, light), (self.colour, colour)):
            mixture = self.momentum * bank[items] + (1 - self.momentum) * new
            bank[items] = functional.normalize(mixture, dim=1)


def softmax_loss(scores: Tensor) -> Tensor:
    """InfoNCE of one view: the cross-entropy of slot 0 of scores (B, K + 1). It begins near log(K + 1)."""
    return functional.cross_entropy(scores, scores.new_zeros(len(scores), dtype=torch.int64))


class NceLoss(nn.Module):
    """Noise-contrastive estimation for one view (appendix of CMC, `NCE/NCECriterion.py`).

    The normaliser Z is a running estimate. The authors took it from the first batch alone, which is wrong as
    soon as the bank is no longer noise (issue 23 of their code).

    Attributes:
        normaliser: Z, 0 before the first batch.
    """

    normaliser: Tensor

    def __init__(self, n_items: int, *, momentum: float) -> None:
        super().__init__()
        self.n_items, self.momentum = n_items, momentum
        self.register_buffer("normaliser", torch.tensor(0.0))

    def observe(self, mean: Tensor) -> None:
        """Take the mean of exp(score) of a batch, a scalar, into the estimate Z = n_items E[exp(score)]."""
        seen = self.n_items * mean.detach()
        running = self.momentum * self.normaliser + (1 - self.momentum) * seen
        self.normaliser.copy_(torch.where(self.normaliser == 0, seen, running))

    def forward(self, scores: Tensor) -> Tensor:
        """The loss of scores (B, K + 1), P(s) = exp(s) / Z and the noise being even, P_n = 1 / n_items."""
        noise = (scores.shape[1] - 1) / self.n_items  # K P_n
        chance = scores.exp() / self.normaliser
        own = chance[:, 0] / (chance[:, 0] + noise + _LEAST)
        others = noise / (chance[:, 1:] + noise + _LEAST)
        return -(own.log().sum() + others.log().sum()) / len(scores)
