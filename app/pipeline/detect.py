"""Tokens to objects: the boxes that count in each frame, and which of them make the sound heard there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.inference.bundle import Bundle
from app.inference.manifest import Detector, Sounding
from app.pipeline.boxes import inside_cells, iou, share_inside
from app.results.model import Detection

Floats = npt.NDArray[np.float32]

UNTRACKED = 0
"""`track_id` of a detection before a tracker has seen it."""

# Of a thing inside a box: its share that lies inside, IoU from which the two are the same, score beside the
# box's, and IoU up to which two things are different ones. Chosen on validation scenes.
_INSIDE, _SAME, _AS_SURE, _APART = 0.7, 0.75, 0.85, 0.1
_LEAST, _MOST = 0.001, 0.999  # of the overlap, as `Sounding` has it


def detect(
    bundle: Bundle, tokens: Floats, class_map: Floats, heatmap: Floats | None
) -> tuple[tuple[Detection, ...], ...]:
    """Find the objects in encoded frames.

    Args:
        tokens, class_map: (N, G, G, Dv) and (N, H, W, C) of the frames.
        heatmap: (N, G, G) of the same frames; None without any sound, where nothing can be sounding.

    Returns:
        For each frame its detections by falling score, with `track_id` still `UNTRACKED`.

    Raises:
        BundleError: the bundle does not offer the task.
        InternalError: the graph failed.
    """
    detector = bundle.detector
    boxes, scores, labels = bundle.detect(tokens, class_map)
    found = []
    for row in range(len(tokens)):
        kept = _kept(boxes[row], scores[row], labels[row], detector)
        sounding = np.zeros(len(kept))
        if heatmap is not None:
            sounding = sounding_of(heat_overlap(boxes[row, kept], heatmap[row]), detector.sounding)
        found.append(
            tuple(
                Detection(tuple(box), detector.labels[label], score, probability, UNTRACKED)
                for box, label, score, probability in zip(
                    boxes[row, kept].tolist(),
                    labels[row, kept],
                    scores[row, kept].tolist(),
                    sounding.tolist(),
                    strict=True,
                )
            )
        )
    return tuple(found)


def heat_overlap(boxes: Floats, heatmap: Floats) -> npt.NDArray[np.float64]:
    """How far each box and a heatmap cover each other: the IoU of a box and of heat, which may be partial.

    A cell that is partly inside a box counts by that part.

    Args:
        boxes: (M, 4), x0, y0, x1, y1 as fractions of the frame, each with an area above 0.
        heatmap: (rows, columns) in [0, 1].

    Returns:
        (M,) in [0, 1]: 1 for a box that holds all heat and nothing else, 0 for one without any.
    """
    rows, columns = heatmap.shape
    across = inside_cells(boxes[:, 0], boxes[:, 2], columns)
    down = inside_cells(boxes[:, 1], boxes[:, 3], rows)
    inside = np.einsum("mr,rc,mc->m", down, heatmap.astype(np.float64), across)
    area = down.sum(axis=1) * across.sum(axis=1)
    overlap: npt.NDArray[np.float64] = inside / (area + heatmap.sum(dtype=np.float64) / heatmap.size - inside)
    return overlap


def sounding_of(overlap: npt.NDArray[np.float64], sounding: Sounding) -> npt.NDArray[np.float64]:
    """Probability (M,) in [0, 1] that a box with that overlap (M,) sounds, as `Sounding` defines it."""
    overlap = np.clip(overlap, _LEAST, _MOST)
    logit = sounding.scale * np.log(overlap / (1 - overlap)) + sounding.offset
    probability: npt.NDArray[np.float64] = 0.5 * (1 + np.tanh(logit / 2))  # the sigmoid, without overflow
    return probability


def around_several(boxes: Floats, scores: Floats, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which boxes (M, 4) lie around two or more things that were found, too, and so are no thing themselves.

    The things inside have different labels, hardly overlap, and have nearly the score of the box around them.
    """
    overlap = iou(boxes, boxes)
    as_sure = scores[:, None] >= _AS_SURE * scores
    inside = (share_inside(boxes, boxes) >= _INSIDE) & (overlap < _SAME) & as_sure
    different = (overlap < _APART) & (labels[:, None] != labels)
    pairs = np.einsum("pb,pq,qb->b", inside, different, inside, dtype=np.int64)
    several: npt.NDArray[np.bool_] = pairs > 0
    return several


def _kept(
    boxes: Floats, scores: Floats, labels: npt.NDArray[np.int64], detector: Detector
) -> npt.NDArray[np.int64]:
    """Indices of the boxes (L, 4) that count, have an area and show one thing, by falling score."""
    has_area = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    seen = np.flatnonzero((scores >= _AS_SURE * detector.threshold) & has_area)
    seen = seen[~around_several(boxes[seen], scores[seen], labels[seen])]
    kept = seen[scores[seen] >= detector.threshold]
    by_score: npt.NDArray[np.int64] = kept[np.argsort(-scores[kept], kind="stable")]
    return by_score
