"""STAN as it is trained: it recognises audio-visual events, and where and when it looked and listened."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.classification import (
    binary_average_precision,
    binary_precision_recall_curve,
)

from training.cache.moments import Moment
from training.guided.bridge import general_events
from training.loop.method import Method
from training.methods.localiser import Widths
from training.methods.stan.config import StanConfig
from training.methods.stan.network import Attention, Clips, Masks, Recognised, SpaceTime
from training.methods.stan.perception import WORDS, Perception

_COVERED = 0.5  # share of a cell in a source, from which it counts as hit, and of the steps that tell of time
_LIKELY = 0.5  # presence from which heat says where to look
_FEW = 4  # numbers in a parameter that weighs whole terms of the formulas
_SOFT = 0.02  # of the largest share of a cell: where a map begins to tell something from nothing
_LEAST = 1e-9
_GENERAL = 0.6  # weight of the score of an event whose name says little
_HAPPENS = 0.3  # events from which a validation clip has them
_THRESHOLDS = (0.5, 0.97, 0.5)  # of an event's score, of how vague attention in time is, and of presence


class Stan(Method):
    """Space-time attention on frozen features.

    Its score on validation is the average precision over all clips and events that happen somewhere: whether
    the events that are seen and heard get higher scores than others. Where it is known what sounds, where and
    when, it is the mean of that, of pointing in space, and of pointing in time, for what sounds in at most
    half of the steps.
    """

    method: ClassVar[str] = "stan"
    alone: ClassVar[bool] = True
    config: StanConfig

    thresholds: Tensor
    general: Tensor

    def __init__(
        self, config: StanConfig, widths: Widths, class_map: tuple[int, ...], events: tuple[str, ...]
    ) -> None:
        """
        Args:
            widths: of what the encoders give.
            class_map: H, W and C of the class map.
            events: names of the events, in the order of the audio teacher.
        """
        super().__init__(config)
        self.save_hyperparameters(
            {"widths": list(widths), "class_map": list(class_map), "events": list(events)}
        )
        self.events = events
        self.perception = Perception(
            widths, class_map[-1], len(events), channels=config.channels, looks=config.looks
        )
        names = torch.zeros(len(events), WORDS)
        self.network = SpaceTime(
            self.perception.channels, widths.sound, names, heads=config.heads, width=config.width
        )
        self.register_buffer("thresholds", torch.tensor(_THRESHOLDS))
        general = general_events()
        self.register_buffer("general", torch.tensor([name in general for name in events]), persistent=False)
        self._validated: list[tuple[Tensor, Tensor]] = []
        self._pointed: dict[str, list[bool]] = {"where": [], "when": []}

    def forward(self, clips: Clips, masks: Masks | None = None) -> tuple[Recognised, Attention]:
        """See `SpaceTime`."""
        return cast(tuple[Recognised, Attention], self.network(clips, masks))

    def best_event(self, logits: Tensor) -> Tensor:
        """() the event that a clip is explained by, given logits (E,): the surest, but one whose name says
        little, such as "Music", only if none that says more is at least `_GENERAL` times as sure."""
        weight = 1 - (1 - _GENERAL) * self.general.float()
        return (logits.sigmoid() * weight).argmax()

    def maps(self, clip: Clips, attention: Attention, event: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where and when the network found an event () in one clip (N = 1).

        Returns:
            `when_audio` and `when_visual` (T,), attention in time; `where` (T, U), attention in time and
            space times the evidence attended to, which is what each cell adds to the picture's part of the
            logit. Each sums to 1. What speaks against the event has nearly no weight.
        """
        when_audio, when_visual = attention.sound[0, :, event], attention.sight[0, :, event]
        added = (attention.space[0] * self.network.evidence(clip, event)).sum(1) * when_visual[:, None]
        softness = _SOFT * added.abs().amax((0, 1)).clamp(min=_LEAST)
        where = functional.softplus(added / softness) + _LEAST
        return when_audio, when_visual, where / where.sum()

    def training_step(self, batch: Moment, _index: int) -> Tensor:
        config = self.config
        clips = clips_of(batch)
        masks = hidden_at_random(clips, config.masked)
        recognised, attention = self(clips, masks)
        wanted = batch["events"]
        losses = {
            "events": _events_loss(recognised.logits, wanted),
            "alone": _events_loss(recognised.by_sight, wanted) + _events_loss(recognised.by_sound, wanted),
            "guided": guided_loss(attention, clips, batch["presence"]),
            "smooth": smoothness(attention, clips.there),
            "sparse": entropy(attention),
        }
        for name, value in losses.items():
            self.log(f"train/{name}", value.detach(), on_epoch=True, on_step=False)
        loss = losses["events"] + sum(
            getattr(config, name) * value for name, value in losses.items() if name != "events"
        )
        self.log("train/loss", loss.detach(), on_step=True, on_epoch=True, sync_dist=True)
        return cast(Tensor, loss)

    def validation_step(self, batch: Moment, _index: int) -> None:
        clips = clips_of(batch)
        recognised, attention = self(clips)
        self._validated.append((recognised.logits.cpu(), batch["events"].cpu()))
        for row in (batch["known"] & (batch["presence"] >= _LIKELY).any(1)).nonzero()[:, 0].tolist():
            event = self.best_event(recognised.logits[row])
            alone = slice(row, row + 1)
            maps = self.maps(
                Clips(*(part[alone] for part in clips)),
                Attention(*(part[alone] for part in attention)),
                event,
            )
            self._point(maps, batch["cover"][row], batch["presence"][row] >= _LIKELY)

    def _point(self, maps: tuple[Tensor, Tensor, Tensor], cover: Tensor, sounding: Tensor) -> None:
        """Whether the maps of one clip hit its sources, cover (T, U), and their time, sounding (T,)."""
        when_audio, _, where = maps
        self._pointed["where"].append(bool(cover.flatten()[where[: len(cover)].argmax()] >= _COVERED))
        if sounding.float().mean() <= _COVERED:
            self._pointed["when"].append(bool(sounding[when_audio.argmax()]))

    def on_validation_epoch_end(self) -> None:
        logits, events = (torch.cat(parts) for parts in zip(*self._validated, strict=True))
        self._validated.clear()
        self.thresholds[0] = best_threshold(logits.sigmoid().flatten(), (events >= _HAPPENS).flatten())
        scores = [recognition(logits, events), *(np.mean(hits) for hits in self._pointed.values() if hits)]
        for hits in self._pointed.values():
            hits.clear()
        self.log_score(float(np.mean(scores)), count=len(logits))

    def configure_optimizers(self) -> Any:
        config = self.config
        parameters = list(self.network.parameters())
        few = [part for part in parameters if part.numel() <= max(config.heads, _FEW)]
        many = [part for part in parameters if part.numel() > max(config.heads, _FEW)]
        rates = [config.rate, config.rate_few]
        optimizer = torch.optim.AdamW(
            [{"params": many, "weight_decay": config.weight_decay}, {"params": few, "weight_decay": 0.0}],
            lr=config.rate,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=max(self.n_steps, 2))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def clips_of(batch: Moment) -> Clips:
    """The part of a batch that the network takes, in full precision."""
    return Clips(*(batch[name].float() for name in ("seen", "heard", "told", "heat")), there=batch["there"])


def hidden_at_random(clips: Clips, share: float) -> Masks:
    """Masks that hide a random part of a share of the clips, at one of the two baselines."""
    n, steps, cells = clips.heat.shape
    device = clips.heat.device
    touched = torch.rand(n, device=device) < share
    rate = torch.where(touched, torch.rand(n, device=device), 1.0)
    rate_heard = torch.where(touched, torch.rand(n, device=device), 1.0)
    return Masks(
        cells=(torch.rand(n, steps, cells, device=device) <= rate[:, None, None]).float(),
        steps=(torch.rand(n, steps, device=device) <= rate_heard[:, None]).float(),
        blurred=(torch.rand(n, device=device) < 0.5).float(),
        silent=(torch.rand(n, device=device) < 0.5).float(),
    )


def guided_loss(attention: Attention, clips: Clips, presence: Tensor) -> Tensor:
    """Divergence of attention in space from heat, over the steps with a source in sight."""
    likely = (presence >= _LIKELY) & clips.there & (clips.heat.amax(2) >= _LIKELY)
    if not likely.any():
        return attention.space.sum() * 0
    heat = clips.heat[likely]
    wanted = heat / heat.sum(1, keepdim=True)
    given = attention.space.mean(2)[likely].clamp(min=1e-8)
    return functional.kl_div(given.log(), wanted, reduction="batchmean")


def smoothness(attention: Attention, there: Tensor) -> Tensor:
    """Mean change of attention in time from one step to the next."""
    both = (there[:, 1:] & there[:, :-1])[:, :, None]
    sight, sound = (
        ((part[:, 1:] - part[:, :-1]).abs() * both).sum(1).mean()
        for part in (attention.sight, attention.sound)
    )
    return sight + sound


def entropy(attention: Attention) -> Tensor:
    """Mean entropy of attention in time, in nats."""
    sight, sound = (
        -(part * part.clamp(min=1e-8).log()).sum(1).mean() for part in (attention.sight, attention.sound)
    )
    return sight + sound


def recognition(logits: Tensor, events: Tensor) -> float:
    """Average precision of scores (N, E) over all clips and those events (N, E) that happen in some."""
    happens = events >= _HAPPENS
    somewhere = happens.any(0)
    if not somewhere.any():
        return 0.0
    return float(
        binary_average_precision(logits[:, somewhere].flatten(), happens[:, somewhere].flatten().long())
    )


def best_threshold(scores: Tensor, happens: Tensor) -> float:
    """Score (N,) from which events count, so that precision and recall together (F1) are best."""
    if not happens.any():
        return _THRESHOLDS[0]
    precision, recall, cuts = binary_precision_recall_curve(scores, happens.long())
    both = 2 * precision * recall / (precision + recall).clamp(min=1e-9)
    return float(cuts[both[:-1].argmax()].clamp(0.05, 0.95))


def _events_loss(logits: Tensor, events: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, events, reduction="none").sum(1).mean()
