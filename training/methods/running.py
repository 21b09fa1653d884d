"""From caches to a trained localiser: what the commands of all methods have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import typer
from torch import nn
from torch.utils.data import DataLoader, Subset

from training.cache.index import CacheError
from training.cache.reading import Cache, open_cache
from training.loop.end_to_end import Perceived
from training.loop.fitting import Fitted, RunOptions, fit
from training.loop.loading import TrainingData
from training.loop.seeding import seed_all
from training.methods.localiser import AudioVisualLocaliser, Widths
from training.methods.moments import AudibleMoments, RawAudibleMoments, as_it_is

_FEWEST_VAL = 2  # moments: one is compared with the sound of another
_FEWEST_BATCHES = 4  # in an epoch
_SAMPLE, _SAMPLE_BATCH = 256, 8  # moments encoded for the scales of their channels


@dataclass(frozen=True, slots=True)
class Request:
    """What to train, and on what.

    Attributes:
        method: class of the localiser.
        config: its configuration; has `batch`.
        caches: directories or URLs; the splits train and val of them are used, test never.
        run: how.
        shuffled_audio: give each training moment the sound of another one, the control that cannot learn
            what belongs together. Validation keeps its sounds.
        encoders: trained along, or frozen ones that see raw frames; None takes what the caches hold.
        workers: processes that load raw moments.
    """

    method: type[AudioVisualLocaliser]
    config: Any
    caches: tuple[Path | str, ...]
    run: RunOptions
    shuffled_audio: bool = False
    encoders: nn.Module | None = None
    workers: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """Data, and a method whose inputs are scaled but which has not been trained."""

    module: AudioVisualLocaliser
    data: TrainingData


def train(request: Request) -> Fitted:
    """Train a localiser.

    Raises:
        CacheError: a cache cannot be read, or has no training or validation part.
        LoopError: see `training.loop.fitting.fit`.
    """
    prepared = prepare(request)
    return fit(prepared.module, prepared.data, request.run)


def prepare(request: Request) -> Prepared:
    """Read the data and make the method, with all that is random from the seed of the run.

    Raises CacheError, as `train`.
    """
    train_part, val_part = open_parts(request.caches)
    seed_all(request.run.seed)
    if request.encoders is not None:
        return _prepare_raw(request, train_part, val_part, request.encoders)
    later = "motion" in getattr(request.config, "views", ())
    shuffle_seed = request.run.seed if request.shuffled_audio else None
    train_set = AudibleMoments(train_part, later=later, shuffle_seed=shuffle_seed)
    val_set = AudibleMoments(val_part)
    _check(len(val_set))
    module = request.method(request.config, widths_of(train_part))
    module.learn_about(train_part.examples, seed=request.run.seed)
    module.inputs.fit(train_set.tokens, train_set.embedding)
    for moments in (train_set, val_set):
        moments.project(module.inputs.seen)
    batch = fitting_batch(request.config.batch, len(train_set))
    data = TrainingData(train_set, val_set, batch, collate=as_it_is)
    return Prepared(module, data)


def open_parts(caches: tuple[Path | str, ...]) -> tuple[Cache, Cache]:
    """The splits train and val of some caches. Raises CacheError, also if either is empty."""
    cache = open_cache(*caches)
    parts = cache.split("train"), cache.split("val")
    for name, part in zip(("training", "validation"), parts, strict=True):
        if not len(part):
            raise CacheError(f"{', '.join(map(str, caches))} hold no {name} examples: add a cache that does")
    return parts


def _prepare_raw(request: Request, train_part: Cache, val_part: Cache, encoders: nn.Module) -> Prepared:
    shuffle_seed = request.run.seed if request.shuffled_audio else None
    train_set = RawAudibleMoments(train_part, shuffle_seed=shuffle_seed)
    val_set = RawAudibleMoments(val_part)
    _check(len(val_set))
    seen = _encoded_sample(encoders, train_set)
    *_, grid, _, token = seen.tokens.shape
    widths = Widths(token=token, sound=seen.embedding.shape[-1], grid=grid)
    module = request.method(request.config, widths, encoders=encoders)
    module.inputs.fit(seen.tokens, seen.embedding)
    batch = fitting_batch(request.config.batch, len(train_set))
    data = TrainingData(train_set, val_set, batch, workers=request.workers)
    return Prepared(module, data)


@torch.no_grad()
def _encoded_sample(encoders: nn.Module, moments: RawAudibleMoments) -> Perceived:
    """Some of the moments, spread evenly, encoded: enough for means and scales of channels."""
    step = max(1, len(moments) // _SAMPLE)
    loader = DataLoader(Subset(moments, range(0, len(moments), step)), batch_size=_SAMPLE_BATCH)
    parts = [encoders(batch["frame"], batch["windows"], batch["heard"]) for batch in loader]
    return Perceived(*(torch.cat(part) for part in zip(*parts, strict=True)))


def fitting_batch(wanted: int, n_train: int) -> int:
    """The size of a batch: as wanted, or a quarter of the moments where there are few, and never below 2."""
    size = min(wanted, max(2, n_train // _FEWEST_BATCHES))
    if size < wanted:
        typer.echo(f"note: {n_train} moments to train on, so {size} in a batch instead of {wanted}")
    return size


def _check(n_val: int) -> None:
    if n_val < _FEWEST_VAL:
        raise CacheError(
            f"{n_val} validation moment is too few to compare its sound with another's: add more clips"
        )


def widths_of(cache: Cache) -> Widths:
    """What the encoders of a cache give."""
    arrays = cache.arrays(0, ("tokens", "embedding"))
    *_, grid, _, token = arrays["tokens"].shape
    return Widths(token=token, sound=arrays["embedding"].shape[-1], grid=grid)
