"""CMC on sound and pictures: every view has its encoder, and a dense one is compared at its best places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.cache.moments import Moment
from training.data.examples import Facts
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.language import Language, event_language, label_language
from training.methods.cmc.objective import contrasted_pairs, info_nce
from training.methods.language_guidance.guidance import guidance_loss
from training.methods.localiser import AudioVisualLocaliser, Widths


class Cmc(AudioVisualLocaliser):
    """Contrastive multiview coding with up to four views.

    The encoders of the views share nothing that is learned, as in the paper: a linear map of the tokens each
    for motion and crop, and for the frame if the configuration says so, and a small network for the sound.
    Sound against a dense view takes the mean of the cosine over the best cells, which makes the cosine a
    localisation map (EZ-VSL, which takes the best one); two dense views are compared by the means of their
    vectors.

    Attributes:
        language: what guides; None without guidance, and until a training begins.
    """

    method: ClassVar[str] = "cmc"
    config: CmcConfig

    def __init__(self, config: CmcConfig, widths: Widths, *, encoders: nn.Module | None = None) -> None:
        super().__init__(config, widths, channels=config.width, whiten=config.whiten, encoders=encoders)
        channels = self.inputs.channels
        self.language: Language | None = None
        if encoders is not None and config.guidance != "none":
            raise ValueError("guidance needs encoded sounds: leave it out, or train without --end-to-end")
        if encoders is not None and "motion" in config.views:
            raise ValueError(
                "the view motion needs encoded frames: leave it out, or train without --end-to-end"
            )
        self.dense = nn.ModuleDict(
            {
                view: nn.Identity()
                if view == "frame" and config.frame == "fixed"
                else nn.Linear(channels, channels)
                for view in config.views
                if view != "audio"
            }
        )
        self.sound = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(widths.sound, config.hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, channels),
        )

    def learn_about(self, examples: Sequence[Facts], *, seed: int) -> None:
        """Read what guides: names of the events, or the labels of the training examples.

        Raises WeightsMissing: MiniLM has not been fetched.
        """
        guidance = self.config.guidance
        exchange = seed if guidance.startswith("shuffled") else None
        if guidance in ("elg", "shuffled-elg"):
            self.language = label_language([facts.labels for facts in examples], exchange=exchange)
        elif guidance != "none":
            self.language = event_language(exchange=exchange)

    def look(self, view: str, tokens: Tensor) -> Tensor:
        """Scaled tokens (N, ..., channels) of a dense view to unit vectors (N, ..., channels)."""
        return functional.normalize(self.dense[view](tokens), dim=-1)

    def listen(self, embedding: Tensor) -> Tensor:
        """Embeddings (N, Da) to unit vectors (N, channels)."""
        return functional.normalize(self.sound(self.inputs.heard(embedding)), dim=-1)

    def similarity(self, seen: Tensor, embedding: Tensor) -> Tensor:
        frame = self.look("frame", seen)
        return (frame * self.listen(embedding)[:, None, None]).sum(-1)

    def training_step(self, batch: Moment, _index: int) -> Tensor:
        batch = self.perceived(batch)
        # The negatives are those of all devices.
        views = {name: self.of_all_devices(view) for name, view in self._views(batch).items()}
        batch = {
            name: self.of_all_devices(batch[name])
            for name in ("example", "source", "moves", "events")
            if name in batch
        }
        names = self.config.views
        # Frames of one clip go together, and a look or hiss that tells two data sets apart says nothing else.
        no_negative = (batch["example"][:, None] == batch["example"]) | (
            batch["source"][:, None] != batch["source"]
        )
        losses = []
        for first, second in contrasted_pairs(len(names), self.config.objective):
            usable = batch["moves"] if "motion" in (names[first], names[second]) else None
            losses.append(self._contrast(views[names[first]], views[names[second]], no_negative, usable))
        loss = torch.stack(losses).sum()
        if self.language is not None:
            guided = self._guided(batch, views)
            self.log("train/guidance", guided, on_step=False, on_epoch=True, sync_dist=True)
            loss = loss + self.config.guidance_weight * guided
        self.log("train/loss", loss, on_step=True, on_epoch=True, sync_dist=True)
        return loss

    def _views(self, batch: Moment) -> Mapping[str, Tensor]:
        """Unit vectors of each view: (B, channels) of the sound, (B, L, channels) of the dense ones."""
        seen = batch["seen"]
        n, n_views = seen.shape[:2]
        rows = torch.arange(n, device=seen.device)
        # Any view of the frame, plain or augmented, is the frame: more pictures from the same clips.
        shown = torch.randint(n_views, (n,), device=seen.device)
        step = torch.randint(1, max(n_views, 2), (n,), device=seen.device)
        views = {"audio": self.listen(batch["embedding"])}
        for name in self.dense:
            if name == "motion":
                scene = batch["later"].float() - seen[:, 0].float()
            else:
                view = shown if name == "frame" else (shown + step) % n_views
                scene = seen[rows, view].float()
            views[name] = self.look(name, scene).flatten(1, 2)
        return views

    def _contrast(self, first: Tensor, second: Tensor, no_negative: Tensor, usable: Tensor | None) -> Tensor:
        if usable is not None:
            if int(usable.sum()) < 2:
                return first.sum() * 0
            first, second, no_negative = first[usable], second[usable], no_negative[usable][:, usable]
        scores = view_similarity(first, second, cells=self.config.cells)
        return info_nce(scores, temperature=self.config.temperature, excluded=no_negative)

    def _guided(self, batch: Moment, views: Mapping[str, Tensor]) -> Tensor:
        """Divergence of the similarities of sounds and frames from those of words, from either side."""
        assert self.language is not None
        rows, alike, same = self.language(batch)
        if len(rows) < 2:
            return views["audio"].sum() * 0
        scores = view_similarity(views["audio"][rows], views["frame"][rows], cells=self.config.cells)
        config = self.config
        sides = [
            guidance_loss(
                side, alike, same, shift=config.guidance_shift, temperature=config.guidance_temperature
            )
            for side in (scores, scores.T)
        ]
        return torch.stack(sides).sum()

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(
            self.parameters(), self.config.rate, weight_decay=self.config.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.config.rate, total_steps=self.n_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def view_similarity(first: Tensor, second: Tensor, *, cells: int) -> Tensor:
    """(B, C) similarities of the items of two views of unit vectors, (B or C, width), or dense with L cells.

    Sound against a dense view is the mean cosine of the `cells` best cells; dense views compare their means.
    """
    if first.dim() == second.dim() == 3:
        first, second = (functional.normalize(view.mean(1), dim=-1) for view in (first, second))
    if first.dim() == 3:
        return view_similarity(second, first, cells=cells).T
    if second.dim() == 2:
        return first @ second.T
    n, n_cells, _ = second.shape
    cosines = (first @ second.flatten(0, 1).T).reshape(len(first), n, n_cells)
    return cosines.topk(min(cells, n_cells), dim=2).values.mean(2)
