"""What the detector's cells should say, and how wrong they are."""

from __future__ import annotations

from typing import NamedTuple

import torch
from kornia.losses import binary_focal_loss_with_logits
from torch import Tensor
from torch.nn import functional

from training.methods.avdet.detector import Answers


class Targets(NamedTuple):
    """For N frames with at most M boxes each and L cells.

    Attributes:
        boxes: (N, L, 4) the box that a cell is to tell, normalised xyxy.
        classes: (N, L) int64 its class; -1 where the cell shows no object, -2 where it does not matter.
    """

    boxes: Tensor
    classes: Tensor


def assign(boxes: Tensor, classes: Tensor, cells: Tensor, *, radius: float) -> Targets:
    """Who learns what (FCOS, section 3.1, with centre sampling).

    A cell learns a box if it lies inside, at most `radius` cells from its centre in x and y; of several boxes
    the smallest. The cell nearest to the centre always learns it, however small the box. Other cells in a box
    do not matter; cells outside all boxes show no object.

    Args:
        boxes: (N, M, 4) normalised xyxy; NaN where a frame has fewer.
        classes: (N, M) int64.
        cells: (L, 2) centres of the cells.
        radius: in cells.
    """
    pitch = 1 / len(cells) ** 0.5
    real = ~boxes.isnan().any(2)[:, None]  # (N, 1, M)
    given = boxes.nan_to_num()
    middle = (given[:, :, :2] + given[:, :, 2:]) / 2
    apart = (cells[None, :, None] - middle[:, None]).abs().amax(3)  # (N, L, M)
    inside = (cells[None, :, None] > given[:, None, :, :2]) & (cells[None, :, None] < given[:, None, :, 2:])
    inside = inside.all(3) & real
    nearest = (apart <= apart.amin(1, keepdim=True) + 1e-6) & real
    learns = (inside & (apart <= radius * pitch)) | nearest
    area = (given[:, :, 2:] - given[:, :, :2]).prod(2)[:, None].expand_as(apart)
    least, chosen = torch.where(learns, area, torch.inf).min(2)  # (N, L)
    rows = torch.arange(len(boxes), device=boxes.device)[:, None]
    wanted = torch.where(inside.any(2), -2, -1)
    wanted = torch.where(least.isinf(), wanted, classes[rows, chosen])
    return Targets(given[rows, chosen], wanted)


class Losses(NamedTuple):
    classes: Tensor
    boxes: Tensor
    fit: Tensor


def losses(answers: Answers, targets: Targets, *, alpha: float, gamma: float) -> Losses:
    """Focal loss of the classes, GIoU loss of the boxes, and cross entropy of how well they fit, each by the
    number of cells that learn a box."""
    learns = targets.classes >= 0
    count = learns.sum().clamp(min=1)
    matters = targets.classes > -2
    logits = answers.classes[matters]
    wanted = functional.one_hot(targets.classes[matters].clamp(min=0), logits.shape[1]).to(logits.dtype)
    wanted = wanted * learns[matters][:, None]
    focal = binary_focal_loss_with_logits(logits, wanted, alpha=alpha, gamma=gamma, reduction="sum")
    boxes, told = targets.boxes[learns], answers.boxes[learns]
    overlap = (1 - generalised_iou(told, boxes)).sum()
    with torch.no_grad():
        iou = pairwise_iou(told, boxes)
    fit = functional.binary_cross_entropy_with_logits(answers.fit[learns], iou, reduction="sum")
    return Losses(focal / count, overlap / count, fit / count)


def pairwise_iou(first: Tensor, second: Tensor) -> Tensor:
    """(B,) in [0, 1], IoU of pairs of boxes xyxy."""
    shared, union, _ = _areas(first, second)
    return shared / union


def generalised_iou(first: Tensor, second: Tensor) -> Tensor:
    """(B,) in [-1, 1], GIoU of pairs of boxes xyxy (Rezatofighi et al., CVPR 2019)."""
    shared, union, hull = _areas(first, second)
    return shared / union - (hull - union) / hull


def _areas(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(B,) areas of intersection, union and smallest box around both."""

    def area(low: Tensor, high: Tensor) -> Tensor:
        return (high - low).clamp(min=0).prod(1)

    (a, b), (c, d) = first.split(2, 1), second.split(2, 1)
    shared = area(torch.maximum(a, c), torch.minimum(b, d))
    union = (area(a, b) + area(c, d) - shared).clamp(min=1e-9)
    return shared, union, area(torch.minimum(a, c), torch.maximum(b, d)).clamp(min=1e-9)
