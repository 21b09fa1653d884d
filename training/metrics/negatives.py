"""Localisation among pairs of which some do not belong together: the extended protocol of SLAVC.

Mo and Morgado, "A Closer Look at Weakly-Supervised Audio-Visual Source Localization" (NeurIPS 2022): beside
the sounding pairs stand frames with another clip's sound. A map has one confidence, and a sweep over it asks
both whether something in sight sounds and where.

At a threshold t a pair is detected if its confidence is t or more (`>=`). A detected pair that sounds is a
true positive if its cIoU is 0.5 or more (`>=`), else a false positive; a detected pair that does not sound is
a false positive; a sounding pair that is not detected is a false negative. A pair detected in the wrong place
is therefore no false negative, and recall reaches 1 at the lowest threshold. LocAcc alone asks for more than
0.5 (`>`), as the published code does.

Two things differ from that code: it looks at some 200 thresholds for AP and ten for F1 where this looks at
all, and its area leaves out what lies before the first threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.metrics.localization import THRESHOLD
from training.metrics.masks import Map
from training.metrics.ranking import average_precision, ends_of_ties, f1


def confidence(values: Map) -> float:
    """Mean of the largest quarter of a map (side, side): how sure it is that something in sight sounds."""
    flat = np.asarray(values, np.float64).ravel()
    quarter = max(1, flat.size // 4)
    largest = np.partition(flat, flat.size - quarter)[flat.size - quarter :]
    return float(np.sort(largest).mean())  # in one order, so that equal maps are equally sure to the last bit


@dataclass(frozen=True, slots=True)
class ExtendedScores:
    """Figures over sounding and other pairs, all in [0, 1].

    Attributes:
        average_precision: AP over the sweep of confidences.
        max_f1: largest F1 of any threshold of the sweep.
        accuracy: LocAcc, the share of sounding pairs with a cIoU above 0.5, whatever the confidence.
    """

    average_precision: float
    max_f1: float
    accuracy: float


def extended_scores(
    confidences: npt.ArrayLike, ious: npt.ArrayLike, sounding: npt.ArrayLike
) -> ExtendedScores:
    """AP, max-F1 and LocAcc of n pairs.

    Args:
        confidences: (n,) see `confidence`.
        ious: (n,) cIoU; not read where nothing sounds.
        sounding: (n,) bool, whether the sound belongs to the picture.

    Raises:
        ValueError: if no pair sounds.
    """
    sounds = np.asarray(sounding, bool)
    overlap = np.asarray(ious, np.float64)
    if not sounds.any():
        raise ValueError("the extended protocol needs at least one sounding pair")
    certain = np.asarray(confidences, np.float64)
    order = np.argsort(-certain, kind="stable")
    ends = ends_of_ties(certain[order])
    found = (sounds & (overlap >= THRESHOLD))[order]
    true_positives = np.cumsum(found)[ends].astype(np.float64)
    missed = sounds.sum() - np.cumsum(sounds[order])[ends]
    precision = true_positives / (ends + 1)
    positives = true_positives + missed
    recall = true_positives / np.where(positives > 0, positives, 1)
    return ExtendedScores(
        average_precision=average_precision(recall, precision),
        max_f1=float(f1(recall, precision).max()),
        accuracy=float((overlap[sounds] > THRESHOLD).mean()),
    )
