"""CMC on made-up scenes, as `test_several_devices` starts it in each of several processes.

Arguments: directory of the cache, directory of the run, processes, items in the batch of each.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from training.loop.fitting import RunOptions, fit
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc
from training.methods.running import Request, prepare

EPOCHS = 2


class Noted(Dataset[Any]):
    """Another data set; `asked` has the indices of each batch that was taken from it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.asked: list[list[int]] = []

    def __len__(self) -> int:
        return len(self._inner)

    def __getitems__(self, indices: list[int]) -> Any:
        self.asked.append(indices)
        return self._inner.__getitems__(indices)


def train(cache: Path, out: Path, *, devices: int, batch: int) -> dict[str, Any]:
    """Train, and give rank, state, score, and the indices of the batches that this process saw."""
    config = CmcConfig(
        width=16, hidden=64, cells=2, dropout=0.0, temperature=0.3, rate=0.005, batch=batch, epochs=EPOCHS
    )
    run = RunOptions(out, EPOCHS, devices=devices, accelerator="cpu")
    prepared = prepare(Request(Cmc, config, (cache,), run))
    noted = Noted(prepared.data.train)
    fitted = fit(prepared.module, dataclasses.replace(prepared.data, train=noted), run)
    return {
        "rank": prepared.module.trainer.global_rank,
        "state": prepared.module.state_dict(),
        "score": fitted.score,
        "asked": noted.asked,
    }


if __name__ == "__main__":
    cache, out, devices, batch = sys.argv[1:]
    came_to = train(Path(cache), Path(out) / "run", devices=int(devices), batch=int(batch))
    torch.save(came_to, Path(out) / f"rank{came_to['rank']}.pt")
