"""Logistic regression, by which maps and boxes become probabilities (Platt, 1999)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

_RIDGE = 1e-5  # keeps weights finite where the classes can be told apart without an error


def fit_logistic(features: Tensor, target: Tensor, *, start: Sequence[float], steps: int) -> list[float]:
    """F weights w with sigmoid(features @ w) near target.

    Args:
        features: (..., F), with ones among them if there is to be an offset.
        target: (...) in [0, 1].
        start: F weights to begin with.
        steps: most iterations.
    """
    weights = torch.tensor(start, dtype=features.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=steps, line_search_fn="strong_wolfe")

    def loss() -> float:
        optimizer.zero_grad()
        value = functional.binary_cross_entropy_with_logits(features @ weights, target)
        value = value + _RIDGE * weights.square().sum()
        value.backward()
        return float(value.detach())

    optimizer.step(loss)
    fitted: list[float] = weights.detach().tolist()
    return fitted
