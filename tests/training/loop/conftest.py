"""A method small enough to be trained in a second, with everything in it that a break could disturb."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.utils.data import Dataset

from training.loop.fitting import RunOptions
from training.loop.loading import TrainingData
from training.loop.method import Method
from training.loop.seeding import seed_all


@dataclass(frozen=True, slots=True)
class LineConfig:
    """Configuration of `Line`.

    Attributes:
        rate: of learning.
        dropout: share of inputs that are dropped, so that training is random.
        falls: factor on the rate after every step.
    """

    rate: Annotated[float, Field(gt=0)] = 0.05
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    falls: float = 0.97


class Points(Dataset[dict[str, Tensor]]):
    """Points of a plane in four dimensions with their value; `asked` counts how often each was given."""

    def __init__(self, count: int, *, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.x = torch.randn(count, 4, generator=generator)
        self.y = self.x @ torch.tensor([1.0, -2.0, 0.5, 0.0]) + 3
        self.asked = [0] * count

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        self.asked[index] += 1
        return {"x": self.x[index], "y": self.y[index], "index": torch.tensor(index)}


class Line(Method):
    """Fits a linear map. `at` maps a step, counted over the whole run, to what happens in it."""

    method = "line"

    def __init__(self, config: LineConfig, *, at: dict[int, Callable[[], Any]] | None = None) -> None:
        super().__init__(config)
        self.drop = nn.Dropout(config.dropout)
        self.linear = nn.Linear(4, 1)
        self.at = at or {}
        self.batches: list[list[int]] = []

    def training_step(self, batch: dict[str, Tensor], _index: int) -> Tensor:
        self.batches.append(batch["index"].tolist())
        self.at.get(self.global_step, lambda: None)()
        loss = (self.linear(self.drop(batch["x"]))[:, 0] - batch["y"]).square().mean()
        self.log("train/loss", loss, on_step=True, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch: dict[str, Tensor], _index: int) -> None:
        torch.rand(3)  # a validation that draws numbers must not change the training
        error = (self.linear(batch["x"])[:, 0] - batch["y"]).square().mean()
        self.log_score(-error, count=len(batch["x"]))

    def configure_optimizers(self) -> Any:
        optimiser = torch.optim.Adam(self.parameters(), self.config.rate)
        fall = torch.optim.lr_scheduler.ExponentialLR(optimiser, self.config.falls)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": fall, "interval": "step"}}


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def line() -> Callable[..., Line]:
    def make(*, seed: int = 0, at: dict[int, Callable[[], Any]] | None = None, **config: Any) -> Line:
        seed_all(seed)
        return Line(LineConfig(**config), at=at)

    return make


@pytest.fixture
def data() -> TrainingData:
    """25 training points in batches of 4: six batches an epoch, one point left over."""
    return TrainingData(Points(25, seed=1), Points(9, seed=2), batch=4)


@pytest.fixture
def options(tmp_path: Path) -> Callable[..., RunOptions]:
    def make(name: str = "run", **changes: Any) -> RunOptions:
        return RunOptions(
            **{"out": tmp_path / name, "epochs": 3, "accelerator": "cpu", "devices": 1, **changes}
        )

    return make


@pytest.fixture
def ctrl_c() -> Callable[[], None]:
    return press_ctrl_c
