"""Which views are contrasted with which, and the InfoNCE loss of a pair (sections 3.2 and 3.4 of CMC)."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional

from training.methods.cmc.config import Objective

_NEVER = -1e4  # logit of what is no negative


def contrasted_pairs(n_views: int, objective: Objective) -> tuple[tuple[int, int], ...]:
    """Indices of the pairs of views that an objective contrasts, the core view being the first.

    `pairwise` takes the first two, `core` the first with each other, L_C = sum_j L(V_1, V_j), `full` all,
    L_F = sum_{i<j} L(V_i, V_j). Raises ValueError for fewer than two views.
    """
    if n_views < 2:
        raise ValueError(f"there is nothing to contrast {n_views} view with")
    everything = tuple(combinations(range(n_views), 2))
    if objective == "pairwise":
        return everything[:1]
    return everything if objective == "full" else tuple(pair for pair in everything if pair[0] == 0)


def info_nce(scores: Tensor, *, temperature: float, excluded: Tensor | None = None) -> Tensor:
    """L(V1, V2) = L_{1->2} + L_{2->1}, the other items of the batch as negatives.

    At the start, with k items and cosines of deviation s, it is about 2 (log k + s^2 / (2 T^2)).

    Args:
        scores: (B, B) similarities; entry i, j belongs to view 1 of item i and view 2 of item j.
        temperature: T of the softmax.
        excluded: (B, B) bool, pairs of different items that are no negatives, such as two frames of a clip.
    """
    logits = scores / temperature
    if excluded is not None:
        logits = logits.masked_fill(
            excluded & ~torch.eye(len(logits), dtype=torch.bool, device=logits.device), _NEVER
        )
    own = torch.arange(len(logits), device=logits.device)
    return functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)
