"""Checkpoints: what is written into them beside Lightning's own, and how they are read: as data."""

from __future__ import annotations

import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from training.loop.errors import LoopError

BEST, LAST = "best.ckpt", "last.ckpt"

_KEY = "earsight"


class CheckpointError(LoopError):
    """A file is no checkpoint of a method, or it is cut short; the message names it."""


class Checkpoint(NamedTuple):
    """A trained method.

    Attributes:
        method: its name.
        config: its configuration, plain.
        about: what else it was made with (`save_hyperparameters`), plain.
        state: its parameters and buffers by name.
    """

    method: str
    config: dict[str, Any]
    about: dict[str, Any]
    state: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a run must have in common with the one that it goes on with, to come to the same result.

    Attributes:
        method: name of the method.
        config: its configuration, plain.
        seed: of the run.
        n_train, batch: training moments, and how many of them a batch has.
        n_processes: devices of all nodes together.
    """

    method: str
    config: dict[str, Any]
    seed: int
    n_train: int
    batch: int
    n_processes: int


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint that `fit` wrote. Nothing in the file is executed.

    Raises CheckpointError.
    """
    content = _load(path)
    there = content[_KEY]
    about = content.get("hyper_parameters", {})
    return Checkpoint(there["method"], there["config"], about, content["state_dict"])


def read_circumstances(path: Path) -> Circumstances:
    """What the run was like that wrote a checkpoint. Raises CheckpointError."""
    return Circumstances(**_load(path)[_KEY])


def write_circumstances(circumstances: Circumstances, content: dict[str, Any]) -> None:
    """Put them into a checkpoint before it is saved."""
    content[_KEY] = asdict(circumstances)


def check_same(there: Circumstances, here: Circumstances, *, path: Path) -> None:
    """Raises CheckpointError, which names what differs, if a run cannot go on from a checkpoint."""
    unlike = [
        f"{name}: {before} there, {now} here"
        for name, before, now in _pairs(asdict(there), asdict(here))
        if before != now
    ]
    if unlike:
        raise CheckpointError(
            f"{path} was written by another run ({'; '.join(unlike)}): go on with the options it was begun"
            " with, or begin anew in another directory"
        )


def _pairs(there: dict[str, Any], here: dict[str, Any], prefix: str = "") -> list[tuple[str, Any, Any]]:
    pairs: list[tuple[str, Any, Any]] = []
    for name in sorted(there.keys() | here.keys()):
        before, now = there.get(name), here.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            pairs += _pairs(before, now, f"{prefix}{name}.")
        else:
            pairs.append((prefix + name, before, now))
    return pairs


def _load(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint {path}") from error
    # torch reports damage in whatever way the place that is damaged makes it stumble.
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        first = str(error).strip().partition("\n")[0]
        raise CheckpointError(f"{path} is no checkpoint, or it is cut short: {first}") from error
    if not isinstance(content, dict) or not {_KEY, "state_dict"} <= content.keys():
        raise CheckpointError(f"{path} is no checkpoint of a method that Earsight trained")
    return content
