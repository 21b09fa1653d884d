"""From which score on a box counts, and when it sounds: both fitted to marked validation frames."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from training.methods.logistic import fit_logistic
from training.metrics.ranking import ends_of_ties

USUAL_THRESHOLD = 0.3
_CLIP = 1e-3  # as app.inference.manifest.Sounding has it
_FEWEST = 20  # boxes of either kind
_STEPS = 100
_FLATTEST = 0.05


class Sounding(NamedTuple):
    """sigmoid(scale * logit(overlap of box and heat) + offset), and from where on it counts."""

    scale: float = 1.0
    offset: float = 0.0
    threshold: float = 0.5


def best_threshold(
    scores: npt.NDArray[np.float64], hits: npt.NDArray[np.bool_], n_truth: int, *, slack: float = 0.0
) -> float:
    """The lowest score from which on the F1 of detections (D,) is the best, less a share of it.

    The usual one without any hit.
    """
    if not hits.any():
        return USUAL_THRESHOLD
    order = np.argsort(-scores, kind="stable")
    caught = np.cumsum(hits[order])
    f1 = 2 * caught / (np.arange(1, len(order) + 1) + n_truth)
    cuts = ends_of_ties(scores[order])
    last = cuts[np.flatnonzero(f1[cuts] >= (1 - slack) * f1[cuts].max())[-1]]
    return float(np.clip(scores[order][last], 0.05, 0.95))


def fit_sounding(overlap: npt.NDArray[np.float64], sounding: npt.NDArray[np.bool_]) -> Sounding:
    """Logistic fit of whether boxes (D,) sound to their overlap with the heat; the usual one for too few.

    Sources that sound together share the heat, so their overlaps are small: the threshold is not 0.5 but the
    one that tells boxes that sound from others best (F1).
    """
    if min(int(sounding.sum()), int((~sounding).sum())) < _FEWEST:
        return Sounding()
    inputs = torch.logit(torch.from_numpy(overlap).clamp(_CLIP, 1 - _CLIP))
    target = torch.from_numpy(sounding.astype(np.float64))
    features = torch.stack([inputs, torch.ones_like(inputs)], 1)
    scale, offset = fit_logistic(features, target, start=Sounding()[:2], steps=_STEPS)
    scale = max(scale, _FLATTEST)
    probability = torch.sigmoid(scale * inputs + offset).numpy()
    # A box without any heat must stay silent.
    dark = 1 / (1 + np.exp(-(scale * np.log(_CLIP / (1 - _CLIP)) + offset)))
    least = best_threshold(probability, sounding, int(sounding.sum()))
    return Sounding(scale, offset, min(max(least, float(dark) + 0.01), 0.95))
