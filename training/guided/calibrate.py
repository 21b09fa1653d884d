"""Fitting the calibrator on rows: a view, what is heard with it, and the cells that sound."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from training.guided.calibrator import GRID, N_DIRECTIONS, Calibrator
from training.guided.localizer import GATE, Evidence
from training.guided.pictures import Box

_MEMBERS, _STEPS, _BATCH, _RATE, _DECAY = 8, 500, 48, 4e-3, 0.1
_OVERLAP_WEIGHT = 4.0  # soft IoU beside cross-entropy: the extent at 0.5 is what users see
_LOOKS_NOISE = 0.6  # on looks of unit variance: 91 clips are few, and no network shall know them by sight
_SUPERSAMPLING = 8
WRONG_SOUND_WEIGHT = 1.6  # false alarms are the complaint heard most


class Source(StrEnum):
    """Where a row is from."""

    PICTURE = "picture"
    CLIP = "clip"
    SWAPPED = "clip with the sound of another"
    SWAPPED_PICTURE = "picture with the sound of a clip"
    NOISE = "noise"


SHARES = {
    Source.PICTURE: 0.17,
    Source.CLIP: 0.27,  # the only ones whose sound and picture are of one moment
    Source.SWAPPED: 0.35,
    Source.SWAPPED_PICTURE: 0.08,
    Source.NOISE: 0.13,
}
"""Share of each source among the rows of a batch, whatever the number of its rows."""


@dataclass(frozen=True, slots=True)
class Row:
    """One training case.

    Attributes:
        view: index of the encoded picture.
        events: (521,) in [0, 1].
        target: (16, 16) float32, share of each cell inside the boxes; all zero for a wrong sound.
        source: decides how often it is drawn.
        weight: of its cross-entropy.
    """

    view: int
    events: npt.NDArray[np.float32]
    target: npt.NDArray[np.float32]
    source: Source
    weight: float = 1.0


def wrong(view: int, events: npt.NDArray[np.float32], source: Source, *, scale: float = 1.0) -> Row:
    """A row whose sound comes from nothing in sight."""
    return Row(view, events, np.zeros((GRID, GRID), np.float32), source, WRONG_SOUND_WEIGHT * scale)


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
    """Features (R, 256, 17) and strongest evidence (R,) of the rows on views in half precision."""
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


@dataclass(frozen=True, slots=True)
class _Material:
    """All rows as tensors, and the views that they are on."""

    known: Tensor  # (R, 256, 17) standardised features
    looks: Tensor  # (V, 256, 32)
    view: Tensor  # (R,)
    target: Tensor  # (R, 16, 16)
    weight: Tensor  # (R,)
    drawn: Tensor  # (R,) how often each is drawn


def fit_calibrator(
    features: Tensor,
    strongest: Tensor,
    rows: list[Row],
    tokens: Tensor,
    *,
    seed: int,
    members: int = _MEMBERS,
    steps: int = _STEPS,
) -> Calibrator:
    """Fit the ensemble; frames that the gate shuts anyway do not count.

    Args:
        features, strongest: from `evidence_of`.
        rows: R of them.
        tokens: (V, 256, 384) of the views.
        seed: of weights, order and noise.
        members: networks in the ensemble.
        steps: of the optimiser, for each.
    """
    torch.manual_seed(seed)
    features, strongest = features.clone(), strongest.clone()  # leave inference mode
    calibrator = Calibrator(members)
    calibrator.mean.copy_(features.mean((0, 1)))
    calibrator.scale.copy_(features.std((0, 1)) + 1e-4)
    _find_directions(calibrator, tokens)
    counts = Counter(row.source for row in rows)
    material = _Material(
        known=calibrator.known(features),
        looks=torch.cat([calibrator.looks(part.float()) for part in torch.split(tokens, 64)]),
        view=torch.tensor([row.view for row in rows]),
        target=torch.from_numpy(np.stack([row.target for row in rows])),
        weight=torch.tensor([row.weight for row in rows]) * (strongest > GATE / 6),
        drawn=torch.tensor([SHARES[row.source] / counts[row.source] for row in rows]),
    )
    for member in calibrator.members:
        _fit_member(member, calibrator, material, steps)
    return calibrator.eval()


def _find_directions(calibrator: Calibrator, tokens: Tensor) -> None:
    """The principal directions of standardised tokens, scaled to unit variance."""
    some = tokens[::4].float().reshape(-1, tokens.shape[-1])
    mean, scale = some.mean(0), some.std(0) + 1e-4
    variance, vectors = torch.linalg.eigh(torch.cov(((some - mean) / scale).T))
    calibrator.token_mean.copy_(mean)
    kept = slice(-N_DIRECTIONS, None)
    calibrator.directions.copy_(vectors[:, kept] / (variance[kept].sqrt() + 1e-4) / scale[:, None])


def _fit_member(member: nn.Module, calibrator: Calibrator, material: _Material, steps: int) -> None:
    optimizer = torch.optim.AdamW(member.parameters(), _RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, steps)
    member.train()
    for _ in range(steps):
        loss = _loss(member, calibrator, material)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def _loss(member: nn.Module, calibrator: Calibrator, material: _Material) -> Tensor:
    """Of one batch, half of it mirrored."""
    picked = torch.multinomial(material.drawn, _BATCH, replacement=True)
    looks = material.looks[material.view[picked]]
    x = calibrator.channels(material.known[picked], looks + _LOOKS_NOISE * torch.randn_like(looks))
    y, weight = material.target[picked], material.weight[picked]
    half = _BATCH // 2
    x = torch.cat([x[:half], x[half:].flip(3)])
    y = torch.cat([y[:half], y[half:].flip(2)]).flatten(1)
    logits = member(x)
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, y, reduction="none").mean(1)
    overlap = (1 - soft_iou(torch.sigmoid(logits), y)) * (y.amax(1) > 0) * (weight > 0)
    return (entropy * weight + _OVERLAP_WEIGHT * overlap).mean()
