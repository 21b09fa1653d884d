"""Training of the student: on the teacher's features, on its heatmaps, or on the truth."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.cache.moments import Moment
from training.guided.calibrate import soft_iou
from training.guided.localizer import GuidedLocalizer
from training.loop.method import Method
from training.methods.simkd.config import SimkdConfig
from training.methods.simkd.student import Student

_NEAR = 1e-4  # probabilities are kept so far from 0 and 1


class Simkd(Method):
    """A student and, unless its objective is `simkd`, a localiser that is trained with it.

    Attributes:
        student: gives tokens and class map.
        localizer: own one of the student; None with `simkd`, whose student is used with the teacher's heads.
        teacher: localiser whose heatmaps are learned from, if any are; it is not trained.
    """

    method: ClassVar[str] = "simkd"
    config: SimkdConfig

    def __init__(
        self,
        config: SimkdConfig,
        student: Student,
        *,
        localizer: GuidedLocalizer | None = None,
        teacher: GuidedLocalizer | None = None,
    ) -> None:
        super().__init__(config)
        self.save_hyperparameters({"shapes": list(student.shapes)})
        self.student = student
        self.localizer = localizer
        self._teacher = (teacher,)  # a tuple: its weights belong to no checkpoint

    def training_step(self, batch: Moment, _index: int) -> Tensor:
        loss = self._loss(batch)
        self.log("train/loss", loss, on_step=True, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch: Moment, _index: int) -> None:
        self.log_score(-self._loss(batch), count=len(batch["trunk"]))

    def _loss(self, batch: Moment) -> Tensor:
        config = self.config
        # Channels last makes depthwise convolutions of PyTorch quicker on a CPU.
        trunk = batch["trunk"].float().contiguous(memory_format=torch.channels_last)
        tokens, logits = self.student.outputs(trunk)
        class_map = torch.softmax(logits, -1)
        if self.localizer is None:
            loss = feature_loss(tokens, logits, batch, class_weight=config.class_weight)
            if config.heat_weight:
                events = with_sound(batch["events"])
                heat, _ = self._teacher_localizer(tokens, class_map, events)
                loss = loss + config.heat_weight * self._heat_loss(heat, batch, events)
            return loss
        heat, _ = self.localizer(tokens, class_map, batch["events"])
        judged = batch["judged"]
        loss = truth_loss(heat[judged], batch["cover"][judged]) if judged.any() else heat.sum() * 0
        if config.objective == "logits":
            loss = loss + self._heat_loss(heat, batch, batch["events"])
        return loss

    @property
    def _teacher_localizer(self) -> GuidedLocalizer:
        return cast("GuidedLocalizer", self._teacher[0]).to(self.device)

    def _heat_loss(self, heat: Tensor, batch: Moment, events: Tensor) -> Tensor:
        with torch.no_grad():
            wanted, _ = self._teacher_localizer(batch["tokens"].float(), batch["class_map"].float(), events)
        return functional.binary_cross_entropy(_inside(heat), _inside(wanted))

    def configure_optimizers(self) -> Any:
        config = self.config
        backbone = [part for part in self.student.backbone.parameters() if part.requires_grad]
        inherited = {id(part) for part in self.student.backbone.parameters()}
        added = [part for part in self.parameters() if part.requires_grad and id(part) not in inherited]
        optimizer = torch.optim.AdamW(
            [{"params": backbone}, {"params": added}], config.rate, weight_decay=config.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, [config.backbone_rate, config.rate], total_steps=self.n_steps
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def feature_loss(tokens: Tensor, logits: Tensor, batch: Moment, *, class_weight: float) -> Tensor:
    """Mean squared error of the tokens (equation 3 of SimKD), and KL(teacher || student) of the class map."""
    error = functional.mse_loss(tokens, batch["tokens"].float())
    if not class_weight:
        return error
    wanted = batch["class_map"].float().flatten(0, 2)
    found = torch.log_softmax(logits.flatten(0, 2), 1)
    return error + class_weight * functional.kl_div(found, wanted, reduction="batchmean")


def with_sound(events: Tensor) -> Tensor:
    """Events (N, E), those of the item before where nothing is heard: a picture without sound shows some
    things, too, that would be looked for."""
    silent = events.amax(1, keepdim=True) <= 0
    return torch.where(silent, events.roll(1, 0), events)


def truth_loss(heat: Tensor, cover: Tensor) -> Tensor:
    """Cross-entropy of heat (N, G, G) and the share of each cell in the truth, and their soft overlap where
    there is a source."""
    cross = functional.binary_cross_entropy(_inside(heat), cover)
    shown = cover.amax((1, 2)) > 0
    if not shown.any():
        return cross
    return cross + 1 - soft_iou(heat[shown].flatten(1), cover[shown].flatten(1)).mean()


def fresh_localizer(localizer: GuidedLocalizer) -> GuidedLocalizer:
    """The localiser with new weights in person probe and calibrator.

    Means, scales and directions by which they bring their inputs to a common size stay.
    """
    for part in (*localizer.evidence.person.modules(), *localizer.calibrator.modules()):
        if isinstance(part, nn.Linear | nn.Conv2d):
            part.reset_parameters()
    return localizer.requires_grad_(True)


def _inside(probability: Tensor) -> Tensor:
    return probability.clamp(_NEAR, 1 - _NEAR)
