"""How a map of cosines is judged on validation data, and how it becomes a probability."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from training.methods.logistic import fit_logistic

IN_SIGHT = 0.3  # share of a cell that must belong to the source before the cell counts as a hit
_STEPS = 60


class Seen(NamedTuple):
    """Maps (N, G, G) with their own and another's sound, cover (N, G, G), and whether it is known (N,)."""

    own: Tensor
    other: Tensor
    cover: Tensor
    judged: Tensor

    @property
    def known(self) -> Tensor:
        """(N,) bool: the truth is known, and the source in sight."""
        return self.judged & (self.cover.amax((1, 2)) >= IN_SIGHT)


class Scaling(NamedTuple):
    """p = sigmoid(slope s + contrast (s - max s) + offset), s a map."""

    slope: float = 5.0
    contrast: float = 0.0
    offset: float = 0.0


def validation_score(seen: Seen) -> tuple[float, int]:
    """Pointing accuracy where a source is known, else how well right and wrong sounds are told apart.

    Returns:
        The score in [0, 1], and over how many moments.
    """
    known = seen.known
    if known.any():
        hits = points_at_source(seen.own[known], seen.cover[known])
        return float(hits.float().mean()), int(known.sum())
    right, wrong = seen.own.amax((1, 2)), seen.other.amax((1, 2))
    return float((right[:, None] > wrong[None]).float().mean()), len(right)


def points_at_source(maps: Tensor, cover: Tensor) -> Tensor:
    """(N,) bool: whether the cell with the maximum of each map (N, G, G) belongs to the source."""
    cells = maps.flatten(1).argmax(1, keepdim=True)
    return cover.flatten(1).gather(1, cells)[:, 0] >= IN_SIGHT


def fit_scaling(seen: Seen) -> Scaling:
    """The scaling that makes maps probabilities (Platt, 1999).

    Fitted to the share of each cell that is covered, and where no truth is known to the maxima of maps with
    the right sound against maps with a wrong one, with contrast 0.
    """
    known = seen.known
    if known.any():
        cosine, target = seen.own[known], seen.cover[known]
    else:
        peaks = [part.amax((1, 2)) for part in (seen.own, seen.other)]
        cosine = torch.cat(peaks)[:, None, None]
        target = torch.cat([torch.ones_like(peaks[0]), torch.zeros_like(peaks[1])])[:, None, None]
    relative = cosine - cosine.amax((1, 2), keepdim=True)
    inputs = torch.stack([cosine, relative, torch.ones_like(cosine)], -1).detach().cpu()
    target = target.detach().cpu()
    return Scaling(*fit_logistic(inputs, target, start=Scaling(), steps=_STEPS))
