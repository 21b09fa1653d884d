"""From which score on a box counts, and when it sounds: both fitted to marked validation frames."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from training.metrics.detection import box_iou
from training.metrics.ranking import ends_of_ties

USUAL_THRESHOLD = 0.3
_MATCHED = 0.5
_CLIP = 1e-3  # as app.inference.manifest.Sounding has it
_FEWEST = 20  # boxes of either kind
_RIDGE = 1e-3
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


def match(
    frames: npt.NDArray[np.int64],
    boxes: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    truth_frames: npt.NDArray[np.int64],
    truth: npt.NDArray[np.float32],
) -> npt.NDArray[np.int64]:
    """(D,) for each detection the number of the marked box that it takes, by falling score; -1 for none."""
    taken = np.full(len(frames), -1, np.int64)
    free = np.ones(len(truth_frames), bool)
    of_frame = {int(frame): np.flatnonzero(truth_frames == frame) for frame in np.unique(truth_frames)}
    for index in np.argsort(-scores, kind="stable"):
        there = of_frame.get(int(frames[index]))
        if there is None:
            continue
        overlap = np.where(free[there], box_iou(boxes[index], truth[there])[0], 0)
        best = int(overlap.argmax())
        if overlap[best] >= _MATCHED:
            taken[index] = there[best]
            free[there[best]] = False
    return taken


def fit_sounding(overlap: npt.NDArray[np.float64], sounding: npt.NDArray[np.bool_]) -> Sounding:
    """Logistic fit of whether boxes (D,) sound to their overlap with the heat; the usual one for too few.

    Sources that sound together share the heat, so their overlaps are small: the threshold is not 0.5 but the
    one that tells boxes that sound from others best (F1).
    """
    if min(int(sounding.sum()), int((~sounding).sum())) < _FEWEST:
        return Sounding()
    inputs = torch.logit(torch.from_numpy(overlap).clamp(_CLIP, 1 - _CLIP))
    target = torch.from_numpy(sounding.astype(np.float64))
    weights = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = functional.binary_cross_entropy_with_logits(weights[0] * inputs + weights[1], target)
        value = value + _RIDGE * (weights[0] - 1).square()
        value.backward()
        return value

    optimizer.step(loss)  # type: ignore[arg-type]  # its stub wants a float
    scale, offset = weights.detach().tolist()
    scale = max(scale, _FLATTEST)
    probability = torch.sigmoid(scale * inputs + offset).numpy()
    # A box without any heat must stay silent.
    dark = 1 / (1 + np.exp(-(scale * np.log(_CLIP / (1 - _CLIP)) + offset)))
    least = best_threshold(probability, sounding, int(sounding.sum()))
    return Sounding(scale, offset, min(max(least, float(dark) + 0.01), 0.95))
