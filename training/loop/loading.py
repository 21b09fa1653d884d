"""Batches of training and validation data, in an order that depends on seed and epoch only."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Dataset, Sampler

from training.loop.errors import LoopError
from training.loop.seeding import mixed

# Epoch, counted from 0, to the batches of that epoch, each a list of indices into the training data. It gives
# the same answer whenever it is asked, and the same number of batches for each epoch.
Plan = Callable[[int], Sequence[Sequence[int]]]


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a method is trained on and chosen by. There is no place for test data.

    Attributes:
        train: items to learn from.
        val: items by which the best epoch is chosen.
        batch: items in a batch, on each device.
        workers: processes that load training data; 0 loads it in this one.
        plan: the batches of each epoch; all items in random order by default.
        collate: list of items to a batch; stacks the tensors of dicts by default.
    """

    train: Dataset[Any]
    val: Dataset[Any]
    batch: int
    workers: int = 0
    plan: Plan | None = None
    collate: Callable[[list[Any]], Any] | None = None


class ShuffledBatches:
    """Every item once an epoch; those left over, which fill no batch, have their turn in other epochs."""

    def __init__(self, n_items: int, size: int, *, seed: int) -> None:
        """Raises LoopError if there are not enough items for one batch."""
        if n_items < size:
            raise LoopError(
                f"there are {n_items} items to train on, fewer than the {size} of one batch: take a smaller"
                " batch, or more data"
            )
        self._n_items, self._size, self._seed = n_items, size, seed

    def __call__(self, epoch: int) -> list[list[int]]:
        order = np.random.default_rng(mixed(self._seed, "order", epoch)).permutation(self._n_items)
        whole = self._n_items // self._size
        return order[: whole * self._size].reshape(whole, self._size).tolist()


class EpochBatches(Sampler[list[int]]):
    """The share of one process in the batches of an epoch, from a given batch on."""

    def __init__(self, plan: Plan, *, rank: int = 0, world: int = 1) -> None:
        self._plan, self._rank, self._world = plan, rank, world
        self._count = len(plan(0)) // world  # the same in all processes, or some would wait for others
        if not self._count:
            raise LoopError(f"there are fewer batches ({len(plan(0))}) than devices ({world})")
        self.epoch = 0
        self.first = 0

    @property
    def sampler(self) -> EpochBatches:
        """Itself: Lightning looks here for what to tell the epoch."""
        return self

    def set_epoch(self, epoch: int) -> None:
        if epoch != self.epoch:
            self.epoch, self.first = epoch, 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[list[int]]:
        share = self._plan(self.epoch)[self._rank :: self._world][: self._count]
        return iter([list(batch) for batch in share[self.first :]])


class ResumableLoader(DataLoader[Any]):
    """A loader that can be saved in the middle of an epoch: it goes on with the batch after the last."""

    def __init__(self, dataset: Dataset[Any], batches: EpochBatches, *, seed: int, **options: Any) -> None:
        super().__init__(dataset, batch_sampler=batches, generator=torch.Generator(), **options)
        self._batches, self._seed = batches, seed
        self._given = 0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        # A generator: nothing is loaded ahead before Lightning has told the epoch.
        assert self.generator is not None
        self.generator.manual_seed(mixed(self._seed, "workers", self._batches.epoch))
        self._given = self._batches.first
        for batch in super().__iter__():
            self._given += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        return {"epoch": self._batches.epoch, "given": self._given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self._batches.epoch, self._batches.first = state["epoch"], state["given"]


class Loaders(LightningDataModule):
    """Hands training and validation loaders to the trainer, to each of its processes its share."""

    def __init__(self, data: TrainingData, *, seed: int) -> None:
        super().__init__()
        self._data, self._seed = data, seed
        self._plan = data.plan or ShuffledBatches(len(data.train), data.batch, seed=seed)  # type: ignore[arg-type]

    @property
    def n_batches(self) -> int:
        """Batches of an epoch, for all devices together."""
        return len(self._plan(0))

    def train_dataloader(self) -> ResumableLoader:
        rank, world = self._place()
        batches = EpochBatches(self._plan, rank=rank, world=world)
        return ResumableLoader(self._data.train, batches, seed=self._seed, **self._options())

    def val_dataloader(self) -> DataLoader[Any]:
        rank, world = self._place()
        if len(self._data.val) < world:  # type: ignore[arg-type]
            raise LoopError(f"there are fewer items to validate by than devices ({world})")
        mine = range(rank, len(self._data.val), world)  # type: ignore[arg-type]
        return DataLoader(self._data.val, batch_size=self._data.batch, sampler=mine, **self._options())

    def _options(self) -> dict[str, Any]:
        return {
            "num_workers": self._data.workers,
            "collate_fn": self._data.collate,
            "persistent_workers": self._data.workers > 0,
            # Ctrl-C reaches all processes of a terminal; it is for this one to decide when workers end.
            "worker_init_fn": _ignore_interrupts,
        }

    def _place(self) -> tuple[int, int]:
        assert self.trainer is not None
        return self.trainer.global_rank, self.trainer.world_size


def _ignore_interrupts(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
