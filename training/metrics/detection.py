"""Detection: average precision of boxes with labels and scores.

In each picture the detections of a class are taken by falling score. One is a true positive if it overlaps a
box of its class that no earlier one has taken by tau or more (the one it overlaps most), else a false
positive; a box counts once. AP is the area under the interpolated precision over recall, over all pictures at
once. The mean over classes takes the classes that have a box somewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from training.metrics.ranking import average_precision

Floats = npt.NDArray[np.float64]

TAUS = np.arange(50, 100, 5) / 100  # .50, .55, ..., .95


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes over all pictures of a set.

    Attributes:
        image: (M,) int, the picture each lies in.
        label: (M,) int, its class.
        box: (M, 4) xyxy in any unit.
    """

    image: npt.NDArray[np.intp]
    label: npt.NDArray[np.intp]
    box: Floats

    @classmethod
    def of_one_class(cls, image: npt.ArrayLike, box: npt.ArrayLike) -> Boxes:
        """Boxes of which it does not matter what they are called."""
        images = np.asarray(image, np.intp)
        return cls(images, np.zeros_like(images), np.asarray(box, np.float64).reshape(-1, 4))

    def __post_init__(self) -> None:
        if self.box.shape != (len(self.image), 4) or len(self.label) != len(self.image):
            raise ValueError(f"{self.box.shape} boxes, {len(self.label)} labels, {len(self.image)} pictures")


def box_iou(first: npt.ArrayLike, second: npt.ArrayLike) -> Floats:
    """IoU of every box of (A, 4) with every box of (B, 4), xyxy: (A, B). Empty boxes overlap nothing."""
    a = np.asarray(first, np.float64).reshape(-1, 1, 4)
    b = np.asarray(second, np.float64).reshape(1, -1, 4)
    extent = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None)
    shared = extent.prod(axis=-1)
    areas = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1)
    union = areas - shared
    return np.asarray(np.where(union > 0, shared / np.where(union > 0, union, 1.0), 0.0))


def class_agnostic_ap(found: Boxes, scores: npt.ArrayLike, truth: Boxes, *, tau: float = 0.5) -> float:
    """AP with all classes taken for one: is there something sounding, whatever it is called?

    Args:
        found: D detections.
        scores: (D,) of the detections.
        truth: the boxes to be found.
        tau: IoU from which on a detection counts, `>=`.

    Raises:
        ValueError: if there is no box to be found.
    """
    if not len(truth.image):
        raise ValueError("no box to be found")
    one = [replace(boxes, label=np.zeros_like(boxes.label)) for boxes in (found, truth)]
    return _class_ap(one[0], np.asarray(scores, np.float64), one[1], tau)


def mean_ap(found: Boxes, scores: npt.ArrayLike, truth: Boxes, *, tau: float = 0.5) -> float:
    """mAP at one tau: the mean AP of the classes that have a box. Arguments as for `class_agnostic_ap`."""
    return float(np.mean(list(class_aps(found, scores, truth, tau=tau).values())))


def mean_ap_over_taus(found: Boxes, scores: npt.ArrayLike, truth: Boxes) -> float:
    """mAP@[.5:.95], the mean over tau = .50, .55, ..., .95 (COCO)."""
    return float(np.mean([mean_ap(found, scores, truth, tau=float(tau)) for tau in TAUS]))


def class_aps(found: Boxes, scores: npt.ArrayLike, truth: Boxes, *, tau: float = 0.5) -> dict[int, float]:
    """AP of each class that has a box, by its label. Arguments and errors as for `class_agnostic_ap`."""
    if not len(truth.image):
        raise ValueError("no box to be found")
    sure = np.asarray(scores, np.float64)
    aps = {}
    for label in np.unique(truth.label):
        chosen = found.label == label
        aps[int(label)] = _class_ap(
            _select(found, chosen), sure[chosen], _select(truth, truth.label == label), tau
        )
    return aps


def _select(boxes: Boxes, chosen: npt.NDArray[np.bool_]) -> Boxes:
    return Boxes(boxes.image[chosen], boxes.label[chosen], boxes.box[chosen])


def _class_ap(found: Boxes, scores: Floats, truth: Boxes, tau: float) -> float:
    order = np.argsort(-scores, kind="stable")
    true_positives = np.cumsum(taken_boxes(found, scores, truth, tau=tau)[order] >= 0)
    return average_precision(true_positives / len(truth.image), true_positives / np.arange(1, len(order) + 1))


def taken_boxes(
    found: Boxes, scores: npt.ArrayLike, truth: Boxes, *, tau: float = 0.5
) -> npt.NDArray[np.intp]:
    """(D,) for each detection the number of the box that it takes, by falling score, whatever the labels say.

    -1 where it takes none: none of its picture that is still free overlaps it by `tau`.
    """
    boxes_of = {int(image): np.flatnonzero(truth.image == image) for image in np.unique(truth.image)}
    free = np.ones(len(truth.image), bool)
    taken = np.full(len(found.image), -1, np.intp)
    for index in np.argsort(-np.asarray(scores, np.float64), kind="stable"):
        there = boxes_of.get(int(found.image[index]))
        if there is None:
            continue
        overlap = np.where(free[there], box_iou(found.box[index], truth.box[there])[0], -1.0)
        best = int(overlap.argmax())
        if overlap[best] >= tau:
            free[there[best]] = False
            taken[index] = there[best]
    return taken


@dataclass(frozen=True, slots=True)
class RankedHits:
    """Class-agnostic detections of N pictures matched once, so that AP can be had for many resamples.

    Attributes:
        image: (D,) picture of each detection, by falling score.
        hit: (D,) whether it took a box.
        boxes: (N,) boxes to be found in each picture.
    """

    image: npt.NDArray[np.intp]
    hit: npt.NDArray[np.bool_]
    boxes: npt.NDArray[np.intp]

    def ap(self, times: npt.NDArray[np.intp] | None = None) -> float:
        """AP when picture i is there `times[i]` times, once by default; NaN if nothing is to be found."""
        weight = np.ones(len(self.boxes)) if times is None else times.astype(np.float64)
        total = float(weight @ self.boxes)
        if not total:
            return float("nan")
        counted = weight[self.image]
        caught, all_ = np.cumsum(counted * self.hit), np.cumsum(counted)
        return average_precision(caught / total, caught / np.maximum(all_, 1e-12))


def ranked_hits(
    found: Boxes, scores: npt.ArrayLike, truth: Boxes, *, n_images: int, tau: float = 0.5
) -> RankedHits:
    """Match detections, all classes taken for one, to the boxes of `n_images` pictures."""
    sure = np.asarray(scores, np.float64)
    order = np.argsort(-sure, kind="stable")
    hits = taken_boxes(found, sure, truth, tau=tau)[order] >= 0
    return RankedHits(found.image[order], hits, np.bincount(truth.image, minlength=n_images))
