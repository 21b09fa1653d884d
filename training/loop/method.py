"""What every method is: a named Lightning module with a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from training.loop.config import plain_config

if TYPE_CHECKING:
    from training.loop.loading import Loaders

SCORE = "val/score"

Part = TypeVar("Part")


class Method(LightningModule):
    """Base of the methods.

    A method computes its loss in `training_step` and gives its score to `log_score` in `validation_step`, or
    at the end of the validation. What is random comes from torch's generator in `training_step`, and what
    changes after a step, a memory bank or an average of weights, changes there or in `optimizer_step`: only
    so does a run that is broken off and resumed end as if it never had been.

    On several devices a step sees a batch on each of them. What compares the items of a batch takes those of
    all by `of_all_devices`, and what is fitted to the validation is fitted to `parts_of_all_devices`.

    Attributes:
        method: name of the method, as on the command line.
        alone: whether it is trained on one device only, since it prepares its lessons from all data at once.
        config: its configuration.
    """

    method: ClassVar[str]
    alone: ClassVar[bool] = False

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        # As plain dicts, so that a checkpoint can be read without executing what it holds.
        self.save_hyperparameters({"method": self.method, "config": plain_config(config)})

    @property
    def n_steps(self) -> int:
        """Steps of the whole run, for a schedule of the learning rate.

        Lightning's `estimated_stepping_batches` does not serve in `configure_optimizers`: it sets up the
        loader before a resumed run knows where it was, and an epoch that was broken off would begin anew.
        """
        trainer = self.trainer
        loaders = cast("Loaders", trainer.datamodule)
        return (trainer.max_epochs or 1) * (loaders.n_batches // trainer.world_size)

    def log_score(self, score: Tensor | float, *, count: int) -> None:
        """Log `val/score`, by which the best epoch is chosen: the higher the better.

        It becomes the mean over all items of the validation, on all devices.

        Args:
            score: mean over some items.
            count: how many these are.
        """
        self.log(SCORE, score, batch_size=count, sync_dist=True, prog_bar=True)

    def of_all_devices(self, rows: Tensor) -> Tensor:
        """Rows (B, ...) of each device, one below the other, (devices * B, ...).

        Gradients flow back to all of them, so a loss over these rows, which is the same on each device, moves
        the weights as on one device with the whole batch. B must be the same on each.
        """
        if not _several_processes():
            return rows
        gathered = cast(Tensor, self.all_gather(rows, sync_grads=rows.requires_grad))
        return gathered.flatten(0, 1)

    def parts_of_all_devices(self, part: Part) -> list[Part]:
        """What each device has, tensors of any length among it, which must be on the CPU."""
        if not _several_processes():
            return [part]
        parts = [part] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(parts, part)
        return parts


def _several_processes() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
