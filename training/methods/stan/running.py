"""From caches to a trained STAN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import typer

from app.inference.bundle import Bundle
from training.cache.reading import Cache
from training.evaluation.sounds import Localizer
from training.loop.fitting import Fitted, RunOptions, fit
from training.loop.loading import TrainingData
from training.loop.memory import give_back_large_blocks
from training.loop.seeding import seed_all
from training.methods.avdet.evidence import fit_inputs
from training.methods.avdet.running import class_map_of
from training.methods.moments import as_it_is
from training.methods.running import fitting_batch, open_parts, widths_of
from training.methods.stan.config import StanConfig
from training.methods.stan.module import Stan
from training.methods.stan.perception import take_published
from training.methods.stan.scenes import Windows, gather_scenes, with_other_sounds

_SCALED = 48  # clips whose frames say how tokens are scaled
_USUAL = 64  # clips whose windows say what sounds are like on the average


@dataclass(frozen=True, slots=True)
class Request:
    """What to train, and on what.

    Attributes:
        config: see there.
        caches: directories or URLs; the splits train and val of them are used, test never.
        bundle: its audio encoder tells what silence sounds like.
        localize: gives the heatmaps.
        run: how.
        shuffled_audio: give each clip the sound of another one, the control that cannot learn what belongs
            together. Validation keeps its sounds.
    """

    config: StanConfig
    caches: tuple[Path | str, ...]
    bundle: Bundle
    localize: Localizer
    run: RunOptions
    shuffled_audio: bool = False


def train(request: Request, *, say: Callable[[str], None] = typer.echo) -> Fitted:
    """Train STAN.

    Raises:
        CacheError: a cache cannot be read, has no training or validation part, or no sound.
        WeightsMissing: run `earsight-train fetch-weights` first.
        LoopError: see `training.loop.fitting.fit`.
    """
    give_back_large_blocks()
    config, run = request.config, request.run
    train_part, val_part = open_parts(request.caches)
    seed_all(run.seed)
    module = prepare(request, train_part)
    module.perception.requires_grad_(False)
    gathered = gather_scenes(train_part, request.localize, module.perception, title="localising, training")
    val = gather_scenes(val_part, request.localize, module.perception, title="localising, validation")
    generator = torch.Generator().manual_seed(run.seed)
    share = 1.0 if request.shuffled_audio else config.mismatched
    swapped = with_other_sounds(train_part, gathered, request.localize, share, generator)
    windows = Windows(swapped if request.shuffled_audio else [*gathered, *swapped])
    say(
        f"{len(gathered)} training clips, {len(swapped)} of them with another's sound; {len(val)} to validate"
    )
    batch = fitting_batch(config.batch, len(windows))
    return fit(module, TrainingData(windows, Windows(val), batch, collate=as_it_is), run, say=say)


def prepare(request: Request, train_part: Cache) -> Stan:
    """The network before training, with scales and names."""
    widths, class_map = widths_of(train_part), class_map_of(train_part)
    labels = request.bundle.manifest.events.labels
    module = Stan(request.config, widths, class_map, labels)
    fit_inputs(module.perception.sight, train_part, most=_SCALED)
    module.network.names.copy_(take_published(module.perception))
    _take_silence(module, request.bundle, train_part)
    return module


@torch.no_grad()
def _take_silence(module: Stan, bundle: Bundle, train_part: Cache) -> None:
    """What silence and the average sound are like, to stand in for sounds that are hidden."""
    window = bundle.manifest.audio.window_samples
    _, silence = bundle.audio(np.zeros((1, window), np.float32))
    heard, told = module.perception.hear(torch.from_numpy(silence))
    module.network.silence_heard.copy_(heard[0])
    module.network.silence_told.copy_(told[0])
    step = max(1, len(train_part) // _USUAL)
    parts = [train_part.arrays(index, ("window",))["window"] for index in range(0, len(train_part), step)]
    module.network.usual_told.copy_(module.perception.hear(torch.cat(parts))[1].mean(0))
