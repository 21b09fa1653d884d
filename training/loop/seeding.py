"""Randomness that depends on the seed, the step and the process, and on nothing that happened before."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from typing_extensions import override


def seed_all(seed: int) -> None:
    """Seed Python, numpy and torch. Call it before a method is made, since its first weights are random."""
    seed_everything(seed, verbose=False)


def mixed(*parts: int | str) -> int:
    """A seed below 2**63 from several parts, the same on every machine and unlike for unlike parts."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class SeededSteps(Callback):
    """Seeds torch anew before every training step and every validation.

    So a step draws the same numbers whether or not the run was broken off before it, and validation neither
    disturbs training nor depends on it.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    @override
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        torch.manual_seed(mixed(self._seed, "step", trainer.global_step, trainer.global_rank))

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        torch.manual_seed(mixed(self._seed, "validation", trainer.global_rank))
