"""Fitting the calibrator: from the evidence at a cell to the probability that it sounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from training.guided.localizer import GATE, GRID, Calibrator, Evidence, focused
from training.guided.pictures import Box

_STEPS, _BATCH, _RATE, _DECAY = 400, 48, 4e-3, 0.1
_OVERLAP_WEIGHT = 4.0  # soft IoU beside cross-entropy: the extent at 0.5 is what users see
WRONG_SOUND_WEIGHT = 1.6  # false alarms are the complaint heard most
_SUPERSAMPLING = 8


@dataclass(frozen=True, slots=True)
class Row:
    """One training case: a view, what is heard with it, and the cells that sound.

    Attributes:
        view: index of the encoded picture.
        events: (521,) in [0, 1].
        target: (16, 16) float32, share of each cell inside the boxes; all zero for a wrong sound.
        weight: of its cross-entropy.
    """

    view: int
    events: npt.NDArray[np.float32]
    target: npt.NDArray[np.float32]
    weight: float = 1.0


def nothing() -> npt.NDArray[np.float32]:
    return np.zeros((GRID, GRID), np.float32)


def cover_of(boxes: list[Box]) -> npt.NDArray[np.float32]:
    """(16, 16): share of each cell inside the union of the boxes."""
    side = GRID * _SUPERSAMPLING
    mask = np.zeros((side, side), np.float32)
    for x0, y0, x1, y1 in boxes:
        mask[round(y0 * side) : round(y1 * side), round(x0 * side) : round(x1 * side)] = 1
    return mask.reshape(GRID, _SUPERSAMPLING, GRID, _SUPERSAMPLING).mean((1, 3))


@torch.inference_mode()
def evidence_of(
    evidence: Evidence, rows: list[Row], tokens: Tensor, class_maps: Tensor
) -> tuple[Tensor, Tensor]:
    """Features (R, 256, 16) and strongest evidence (R,) of the rows on views in half precision."""
    parts = []
    for start in range(0, len(rows), 32):
        batch = rows[start : start + 32]
        views = torch.tensor([row.view for row in batch])
        events = torch.from_numpy(np.stack([row.events for row in batch]))
        parts.append(evidence(tokens[views].float(), class_maps[views].float(), events))
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def soft_iou(p: Tensor, y: Tensor) -> Tensor:
    """(N,) soft intersection over union of probabilities and targets (N, L)."""
    overlap = (p * y).sum(1)
    return (overlap + 1e-3) / ((p + y).sum(1) - overlap + 1e-3)


def fit_calibrator(features: Tensor, strongest: Tensor, rows: list[Row], *, seed: int) -> Calibrator:
    """Fit the ensemble; frames that the gate shuts anyway do not count."""
    torch.manual_seed(seed)
    features, strongest = features.clone(), strongest.clone()  # leave inference mode
    target = torch.from_numpy(np.stack([row.target for row in rows])).reshape(len(rows), -1)
    weight = torch.tensor([row.weight for row in rows]) * (strongest > GATE / 6)
    calibrator = Calibrator()
    calibrator.mean.copy_(features.mean((0, 1)))
    calibrator.scale.copy_(features.std((0, 1)) + 1e-4)
    for member in calibrator.members:
        _fit_member(member, calibrator, features, target, weight)
    return calibrator.eval()


def _fit_member(
    member: nn.Module, calibrator: Calibrator, features: Tensor, target: Tensor, weight: Tensor
) -> None:
    optimizer = torch.optim.AdamW(member.parameters(), _RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, _STEPS)
    member.train()
    for _ in range(_STEPS):
        picked = torch.randint(len(features), (_BATCH,))
        x, y = features[picked], target[picked]
        p = focused(member((x - calibrator.mean) / calibrator.scale)[:, :, 0], x)
        entropy = nn.functional.binary_cross_entropy(p, y, reduction="none").mean(1)
        overlap = (1 - soft_iou(p, y)) * (y.amax(1) > 0)
        loss = (entropy * weight[picked]).mean() + _OVERLAP_WEIGHT * overlap.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
