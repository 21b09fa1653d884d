"""Language guidance on pictures, as a method that is trained."""

from __future__ import annotations

from itertools import chain
from typing import Any, ClassVar

import torch
from pytorch_metric_learning.losses import MultiSimilarityLoss, NTXentLoss, ProxyAnchorLoss
from pytorch_metric_learning.miners import MultiSimilarityMiner
from torch import Tensor, nn
from torch.nn import functional

from training.loop.method import Method
from training.methods.language_guidance.config import LanguageGuidanceConfig
from training.methods.language_guidance.guidance import guidance_loss
from training.methods.language_guidance.pictures import FeatureBatch
from training.metrics.retrieval import map_at_r, rank


class Embedding(nn.Module):
    """Frozen features to unit vectors, by a linear map.

    It begins as an orthogonal projection of features whose mean is taken away, which leaves similarities
    about as they are.
    """

    mean: Tensor

    def __init__(self, width: int, *, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.project = nn.Linear(width, features)
        nn.init.orthogonal_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def centred(self, features: Tensor) -> Tensor:
        """Features (N, width) to unit vectors of the same length: what there is before training."""
        return functional.normalize(features - self.mean, dim=1)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, width) to unit vectors (N, features)."""
        return functional.normalize(self.project(self.centred(features)), dim=1)


class LanguageGuidance(Method):
    """Metric learning, in which pictures should be alike as the words for their classes are.

    The score is mAP@R among the validation pictures, which are of trained classes; unseen classes choose
    nothing.
    """

    method: ClassVar[str] = "language-guidance"
    config: LanguageGuidanceConfig
    similarity: Tensor | None

    def __init__(
        self, config: LanguageGuidanceConfig, *, width: int, n_classes: int, similarity: Tensor | None = None
    ) -> None:
        """Make the head.

        Args:
            config: see there.
            width: of the frozen features.
            n_classes: that are trained on.
            similarity: (n_classes, n_classes) of language; None does without guidance.
        """
        super().__init__(config)
        self.save_hyperparameters({"width": width, "n_classes": n_classes})
        self.embedding = Embedding(width, features=config.features)
        self.register_buffer("similarity", similarity)
        self.base = _base_loss(config, n_classes)
        self.miner = MultiSimilarityMiner(epsilon=0.1) if config.base == "multisimilarity" else None
        self._validated: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: FeatureBatch, _index: int) -> Tensor:
        vectors = self.of_all_devices(self.embedding(batch["feature"]))
        labels = self.of_all_devices(batch["label"])
        pairs = None if self.miner is None else self.miner(vectors, labels)
        loss: Tensor = self.base(vectors, labels, pairs)
        if self.similarity is not None:
            guided = guidance_loss(
                vectors @ vectors.T,
                self.similarity[labels][:, labels],
                labels[:, None] == labels,
                shift=self.config.shift,
                temperature=self.config.temperature,
                direction=self.config.direction,
            )
            self.log("train/guidance", guided, on_step=False, on_epoch=True, sync_dist=True)
            loss = loss + self.config.weight * guided
        self.log("train/loss", loss, on_step=True, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch: FeatureBatch, _index: int) -> None:
        self._validated.append((self.embedding(batch["feature"]).cpu(), batch["label"].cpu()))

    def on_validation_epoch_end(self) -> None:
        validated = chain(*self.parts_of_all_devices(self._validated))
        vectors, labels = (torch.cat(parts).numpy() for parts in zip(*validated, strict=True))
        self._validated.clear()
        scores = map_at_r(rank(vectors, labels))
        self.log_score(float(scores.mean()), count=len(scores))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        config = self.config
        groups: list[dict[str, Any]] = [
            {"params": self.embedding.parameters()},
            {"params": self.base.parameters(), "lr": config.proxy_rate},
        ]
        return torch.optim.Adam(groups, config.rate, weight_decay=config.weight_decay)


def _base_loss(config: LanguageGuidanceConfig, n_classes: int) -> nn.Module:
    """The loss of the library.

    Multisimilarity has the weights of the authors of the guidance, who take a softplus of the mean where it
    has, as published, a logarithm for each item.
    """
    if config.base == "multisimilarity":
        return MultiSimilarityLoss(alpha=2, beta=40, base=0.5)
    if config.base == "proxy-anchor":
        return ProxyAnchorLoss(n_classes, config.features, margin=0.1, alpha=32)
    return NTXentLoss(temperature=0.07)
