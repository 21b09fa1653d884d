"""AVDet as a method: the detector, how it is trained on self-made boxes and labels, and how it is judged."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from kornia.geometry.bbox import nms
from torch import Tensor
from torch.utils.data import Dataset

from app.pipeline.detect import around_several, heat_overlap
from training.cache.moments import Moment
from training.loop.method import Method
from training.methods.avdet.calibration import (
    USUAL_THRESHOLD,
    Sounding,
    best_threshold,
    fit_sounding,
)
from training.methods.avdet.config import AvdetConfig
from training.methods.avdet.detector import Answers, DetectorHead
from training.methods.avdet.targets import assign, losses
from training.methods.localiser import Widths
from training.methods.sight import Sight
from training.metrics.detection import Boxes, class_agnostic_ap, taken_boxes

MOST_BOXES = 60  # of a frame
_SLACK = 0.02  # of F1, which is flat around its maximum, and users rather see a box too many
LEAST_SCORE = 0.02  # score below which nothing is worth a line


class Found(NamedTuple):
    """D boxes over many frames: frame (D,), box (D, 4) clipped to [0, 1], score (D,), label (D,)."""

    frame: np.ndarray
    box: np.ndarray
    score: np.ndarray
    label: np.ndarray

    @property
    def boxes(self) -> Boxes:
        return Boxes.of_one_class(self.frame, self.box)

    def of(self, kept: np.ndarray) -> Found:
        """Those in some frames, (F,) bool; the frames keep their numbers."""
        rows = kept[self.frame]
        return Found(*(part[rows] for part in self))


class Truth(NamedTuple):
    """B marked boxes over many frames: frame (B,), box (B, 4), sounding (B,) bool."""

    frame: np.ndarray
    box: np.ndarray
    sounding: np.ndarray

    @property
    def boxes(self) -> Boxes:
        return Boxes.of_one_class(self.frame, self.box)

    def of(self, kept: np.ndarray) -> Truth:
        """Those in some frames, (F,) bool; the frames keep their numbers."""
        rows = kept[self.frame]
        return Truth(*(part[rows] for part in self))


class Avdet(Method):
    """An image-only detector of pseudo-classes.

    Its score on validation is the class-agnostic average precision at IoU 0.5 against the boxes that the
    batches call `truth`; where people marked some frames and heat gave the boxes of others, the mean of both.
    """

    method: ClassVar[str] = "avdet"
    alone: ClassVar[bool] = True
    config: AvdetConfig

    threshold: Tensor
    sounding: Tensor

    def __init__(
        self, config: AvdetConfig, widths: Widths, class_map: tuple[int, ...], names: tuple[str, ...]
    ) -> None:
        """
        Args:
            widths: of what the encoders give.
            class_map: H, W and C of the class map; a C of 1 says that there is none.
            names: of the pseudo-classes, in their order.
        """
        super().__init__(config)
        self.save_hyperparameters(
            {"widths": list(widths), "class_map": list(class_map), "names": list(names)}
        )
        self.names = names
        self.inputs = Sight(widths, class_map[-1], channels=config.channels, looks=config.looks)
        self.head = DetectorHead(
            self.inputs.channels,
            len(names),
            grid=widths.grid,
            width=config.width,
            blocks=config.blocks,
            dropout=config.dropout,
        )
        self.register_buffer("threshold", torch.tensor(USUAL_THRESHOLD))
        self.register_buffer("sounding", torch.tensor(Sounding()))
        self._found: list[Found] = []
        self._truth: list[Moment] = []

    def forward(self, tokens: Tensor, class_map: Tensor) -> Answers:
        """Tokens (N, G, G, Dv) and class maps (N, H, W, C), as encoded, to what the cells say."""
        answers: Answers = self.head(self.inputs.seen(tokens, class_map))
        return answers

    def training_step(self, batch: Moment, _index: int) -> Tensor:
        config = self.config
        seen, boxes = mirrored(batch["seen"].float(), batch["boxes"])
        targets = assign(boxes, batch["classes"], self.head.cells, radius=config.radius)
        parts = losses(self.head(seen), targets, alpha=config.focal_alpha, gamma=config.focal_gamma)
        for name, value in parts._asdict().items():
            self.log(f"train/{name}", value, on_epoch=True, on_step=False)
        loss = parts.classes + config.box_weight * parts.boxes + parts.fit
        self.log("train/loss", loss, on_step=True, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch: Moment, _index: int) -> None:
        self._found.append(self.find(batch["seen"]))
        self._truth.append({name: batch[name].cpu() for name in ("truth", "sounds", "heat", "marked")})

    def on_validation_epoch_end(self) -> None:
        found = joined(self._found, [len(part["truth"]) for part in self._truth])
        boxes, sounds, heat, marked = (
            torch.cat([part[name] for part in self._truth]) for name in ("truth", "sounds", "heat", "marked")
        )
        self._found, self._truth = [], []
        there = ~boxes.isnan().any(2)
        truth = Truth(there.nonzero()[:, 0].numpy(), boxes[there].numpy(), sounds[there].numpy())
        drawn = marked.numpy()
        parts = [kept for kept in (drawn, ~drawn) if kept.any()]
        scores = [agnostic_ap(found.of(kept), truth.of(kept)) for kept in parts]
        if drawn.any():
            self._calibrate(found.of(drawn), truth.of(drawn), heat.float().numpy())
        self.log_score(float(np.mean(scores)), count=len(boxes))

    def _calibrate(self, found: Found, truth: Truth, heat: np.ndarray) -> None:
        taken = taken_boxes(found.boxes, found.score, truth.boxes)
        hits = taken >= 0
        self.threshold.fill_(best_threshold(found.score, hits, len(truth.frame), slack=_SLACK))
        inside = np.concatenate(
            [
                heat_overlap(found.box[hits & (found.frame == frame)], heat[frame])
                for frame in np.unique(found.frame[hits])
            ]
            or [np.zeros(0)]
        )
        order = np.argsort(found.frame[hits], kind="stable")
        sounding = fit_sounding(inside, truth.sounding[taken[hits][order]])
        self.sounding.copy_(torch.tensor(sounding))

    @torch.no_grad()
    def find(self, seen: Tensor) -> Found:
        """The boxes of frames (N, G, G, C), as `Sight` has them; of two that overlap one is left out."""
        answers = self.head(seen.float())
        labels = answers.classes.argmax(2)
        parts = []
        for row, (boxes, scores) in enumerate(zip(answers.boxes.clamp(0, 1), answers.scores, strict=True)):
            best = (scores >= LEAST_SCORE).nonzero()[:, 0]
            best = best[nms(boxes[best], scores[best], self.config.suppression)][:MOST_BOXES]
            several = around_several(*(part[best].cpu().numpy() for part in (boxes, scores, labels[row])))
            best = best[torch.from_numpy(~several).to(best.device)]
            parts.append((torch.full((len(best),), row), boxes[best], scores[best], labels[row, best]))
        return Found(*(torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True)))

    def configure_optimizers(self) -> Any:
        config = self.config
        optimizer = torch.optim.AdamW(
            self.head.parameters(), lr=config.rate, weight_decay=config.weight_decay
        )
        steps = max(self.n_steps, 2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.rate, total_steps=steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class BoxedFrames(Dataset[Moment]):
    """Frames with boxes, given as whole batches: `seen` (B, G, G, C) and, to train on, `boxes` (B, M, 4) with
    NaN where there are fewer and `classes` (B, M); to be judged by, `truth` (B, M, 4)."""

    def __init__(self, parts: Moment) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return len(self._parts["seen"])

    def __getitem__(self, index: int) -> Moment:
        return {name: part[0] for name, part in self.__getitems__([index]).items()}

    def __getitems__(self, indices: list[int]) -> Moment:
        """A batch; the loader asks for it in one go."""
        return {name: part[indices] for name, part in self._parts.items()}


def mirrored(seen: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Half of some frames (B, G, G, C) and their boxes (B, M, 4), left and right exchanged."""
    turned = torch.rand(len(seen), device=seen.device) < 0.5
    other = boxes.clone()
    other[..., 0], other[..., 2] = 1 - boxes[..., 2], 1 - boxes[..., 0]
    return (
        torch.where(turned[:, None, None, None], seen.flip(2), seen),
        torch.where(turned[:, None, None], other, boxes),
    )


def joined(parts: list[Found], counts: list[int]) -> Found:
    """Found boxes of batches of so many frames, with frames numbered through."""
    starts = np.cumsum([0, *counts[:-1]])
    moved = [part._replace(frame=part.frame + start) for part, start in zip(parts, starts, strict=True)]
    return Found(*(np.concatenate(column) for column in zip(*moved, strict=True)))


def agnostic_ap(found: Found, truth: Truth, *, tau: float = 0.5) -> float:
    """Class-agnostic AP of what was found; 0 if there is nothing to be found."""
    if not len(truth.frame):
        return 0.0
    return class_agnostic_ap(found.boxes, found.score, truth.boxes, tau=tau)
