"""SSPL: the sound picks a part of each of two views of a frame, and either part must foretell the other."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.cache.moments import Moment
from training.methods.localiser import AudioVisualLocaliser, Widths
from training.methods.saliency import saliency, stretched
from training.methods.sspl.config import SsplConfig
from training.methods.sspl.pcm import PredictiveCoding

_STANDS_OUT = 3  # power of the saliency in the added term
_CENTRE_RATE = 0.1  # of the running mean of attended parts


class Sspl(AudioVisualLocaliser):
    """Three streams, two of sight and one of sound, on frozen encoders; no negatives anywhere."""

    method: ClassVar[str] = "sspl"
    config: SsplConfig

    centre: Tensor

    def __init__(self, config: SsplConfig, widths: Widths, *, encoders: nn.Module | None = None) -> None:
        super().__init__(
            config,
            widths,
            channels=config.channels,
            whiten=1.0,
            scaled=config.standardise,
            encoders=encoders,
        )
        channels = self.inputs.channels
        self._n_coded = min(config.coded or channels, channels) if config.residual else channels
        self.sound = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(widths.sound, config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, channels),
        )
        self.coding = (
            PredictiveCoding(self._n_coded, widths.sound, grid=widths.grid, steps=config.steps)
            if config.pcm
            else None
        )
        if self.coding is not None and config.residual:
            nn.init.zeros_(self.coding.out.weight)
            nn.init.zeros_(self.coding.out.bias)
        self.projector = projector(channels, config.projected)
        self.predictor = nn.Sequential(
            nn.Linear(config.projected, config.bottleneck, bias=False),
            nn.BatchNorm1d(config.bottleneck),
            nn.ReLU(),
            nn.Linear(config.bottleneck, config.projected),
        )
        self.register_buffer("centre", torch.zeros(channels))

    def visual(self, seen: Tensor, embedding: Tensor) -> Tensor:
        """Features f'_v (N, C, G, G): the scaled tokens, corrected by the sound if there is the module."""
        if self.config.standardise:
            seen = functional.normalize(seen, dim=-1) * seen.shape[-1] ** 0.5
        features = seen.movedim(-1, 1)
        if self.coding is None:
            return features
        coded = self.coding(
            features[:, : self._n_coded], functional.normalize(self.inputs.heard(embedding), dim=1)
        )
        if not self.config.residual:
            return coded
        left_alone = features.shape[1] - self._n_coded
        return features + functional.pad(coded, (0, 0, 0, 0, 0, left_alone))

    def attention(self, features: Tensor, sound: Tensor) -> Tensor:
        """S (N, G, G): the cosine of features (N, C, G, G), less their centre, with a sound (N, C)."""
        return functional.cosine_similarity(
            features - self.centre[:, None, None], sound[:, :, None, None], dim=1
        )

    def similarity(self, seen: Tensor, embedding: Tensor) -> Tensor:
        return self.attention(self.visual(seen, embedding), self.sound(self.inputs.heard(embedding)))

    def training_step(self, batch: Moment, _index: int) -> Tensor:
        batch = self.perceived(batch)
        embedding = batch["embedding"]
        sound = self.sound(self.inputs.heard(embedding))  # f'_a (N, C)
        pooled, foretold = [], []
        for view in chosen_views(batch["seen"]):
            features = self.visual(view, embedding)
            weight = stretched(self.attention(features, sound))
            pooled.append((features * weight[:, None]).sum((2, 3)))  # f_av (N, C)
            if self.config.sound_weight:
                foretold.append(self._attended_part(view, features.detach(), weight.detach()))
        projected = [self.projector(part) for part in pooled]
        predicted = [self.predictor(part) for part in projected]
        loss = (disagreement(predicted[0], projected[1]) + disagreement(predicted[1], projected[0])) / 2
        self.log("train/views", loss, on_epoch=True, on_step=False)
        if foretold:
            sounds, source = self.of_all_devices(sound), self.of_all_devices(batch["source"])
            everywhere = [self.of_all_devices(part) for part in foretold]
            targets = [apart_from_others(part, source) for part in everywhere]
            error = torch.stack([(sounds - target).square().mean() for target in targets]).mean()
            self._move_centre(torch.cat(everywhere).mean(0))
            self.log("train/sound", error, on_epoch=True, on_step=False)
            loss = loss + self.config.sound_weight * error
        # Of unit vectors without anything in common it is 1 / sqrt(projected); near 0 they have collapsed.
        spread = functional.normalize(projected[0].detach(), dim=1).std(0).mean()
        self.log("train/spread", spread, on_epoch=True, on_step=False)
        self.log("train/loss", loss, on_step=True, on_epoch=True, sync_dist=True)
        return loss

    def _attended_part(self, view: Tensor, features: Tensor, weight: Tensor) -> Tensor:
        """(N, C) mean feature of what stands out of the picture and, after the warm-up, fits the sound."""
        share = saliency(view) ** _STANDS_OUT
        if self.trainer.global_step >= self.config.warm_up * self.trainer.estimated_stepping_batches:
            share = share * weight**self.config.sharpness
        return (features * share[:, None]).sum((2, 3)) / (share.sum((1, 2))[:, None] + 1e-10)

    def _move_centre(self, mean: Tensor) -> None:
        untouched = bool((self.centre == 0).all())
        self.centre.copy_(mean if untouched else torch.lerp(self.centre, mean, _CENTRE_RATE))

    def configure_optimizers(self) -> Any:
        config = self.config
        head = [*self.projector.parameters(), *self.predictor.parameters()]
        gains = [] if self.coding is None else [*self.coding.up, *self.coding.down]
        apart = {id(part) for part in (*head, *gains)}
        rest = [part for part in self.parameters() if id(part) not in apart and part.requires_grad]
        return torch.optim.AdamW(
            [
                {"params": head, "lr": config.rate_head},
                {"params": gains, "lr": config.rate, "weight_decay": 0.0},
                {"params": rest, "lr": config.rate},
            ],
            weight_decay=config.weight_decay,
        )


def projector(width: int, out: int) -> nn.Sequential:
    """Three layers with a norm behind each, the last one without scale and offset (SimSiam)."""
    return nn.Sequential(
        nn.Linear(width, out, bias=False),
        nn.BatchNorm1d(out),
        nn.ReLU(),
        nn.Linear(out, out, bias=False),
        nn.BatchNorm1d(out),
        nn.ReLU(),
        nn.Linear(out, out, bias=False),
        nn.BatchNorm1d(out, affine=False),
    )


def disagreement(predicted: Tensor, target: Tensor) -> Tensor:
    """D(p, z) = -cos(p, stopgrad z), the mean over (N, C)."""
    return -functional.cosine_similarity(predicted, target.detach(), dim=1).mean()


def apart_from_others(parts: Tensor, source: Tensor) -> Tensor:
    """(N, C) how each of the parts (N, C) differs from the mean of those with the same source (N,).

    So the answer cannot be the same for every sound (as the centring of DINO, Caron et al., ICCV 2021), and
    what tells one data set from another is no answer either.
    """
    same = (source[:, None] == source).float()
    return parts - (same @ parts) / same.sum(1, keepdim=True)


def chosen_views(seen: Tensor) -> tuple[Tensor, Tensor]:
    """Two different views of each frame out of (N, V, G, G, C), drawn anew; the same one if V is 1."""
    n, n_views = seen.shape[:2]
    rows = torch.arange(n, device=seen.device)
    first = torch.randint(n_views, (n,), device=seen.device)
    step = torch.randint(1, max(n_views, 2), (n,), device=seen.device)
    return seen[rows, first].float(), seen[rows, (first + step) % n_views].float()
