"""Insertion and deletion: what becomes of a prediction when parts are hidden in the order of their weight.

Petsiuk et al., "RISE", BMVC 2018. Deletion hides the parts with the most weight first; the sooner the
prediction falls, the more faithful the weights, so a small area below the curve is good. Insertion shows them
first; a large area is good. Beside both stand the same curves for a random order and for the least weight
first.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from app.results.model import Areas

Floats = npt.NDArray[np.float32]

SHARES = tuple(step / 10 for step in range(11))
"""Share of the parts that is shown, from none to all."""

DRAWS = 3
"""Random orders that are averaged."""


def shown_parts(weights: Floats, rng: np.random.Generator, *, draws: int = DRAWS) -> Floats:
    """Masks (B, N) in {0, 1} that `areas` needs predictions for, given weights (N,) of N parts.

    Row by row: for each share those with the most weight, then those with the least, then random ones.
    """
    orders = [_falling(weights, rng), _falling(-weights, rng)]
    orders += [rng.permutation(len(weights)) for _ in range(draws)]
    masks = np.zeros((len(orders), len(SHARES), len(weights)), np.float32)
    for row, order in enumerate(orders):
        for column, share in enumerate(SHARES):
            masks[row, column, order[: round(share * len(order))]] = 1
    return masks.reshape(-1, len(weights))


def areas(predictions: npt.NDArray[np.floating]) -> Areas:
    """From predictions (B,) for the masks of `shown_parts`, in their order."""
    curves = predictions.astype(np.float64).reshape(-1, len(SHARES))
    most, least, drawn = (
        float(np.trapezoid(part, SHARES)) for part in (curves[0], curves[1], curves[2:].mean(axis=0))
    )
    # What deletion leaves over when the most weight goes first is what insertion shows with the least first.
    return Areas(
        deletion=least,
        insertion=most,
        random_deletion=drawn,
        random_insertion=drawn,
        least_deletion=most,
        least_insertion=least,
    )


def measure(
    predict: Callable[[Floats], npt.NDArray[np.floating]], weights: Floats, rng: np.random.Generator
) -> Areas:
    """Areas of a prediction, given as a function of masks (B, N), for weights (N,)."""
    return areas(predict(shown_parts(weights, rng)))


def _falling(weights: Floats, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Indices by falling weight, equal ones in random order."""
    shuffled = rng.permutation(len(weights))
    order: npt.NDArray[np.int64] = shuffled[np.argsort(-weights[shuffled], kind="stable")]
    return order
