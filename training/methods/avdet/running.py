"""From caches to a trained detector: all three steps of AVDet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import typer

from training.cache.reading import Cache
from training.evaluation.sounds import Localizer
from training.loop.fitting import Fitted, RunOptions, fit
from training.loop.loading import TrainingData
from training.loop.seeding import seed_all
from training.methods.avdet.config import AvdetConfig
from training.methods.avdet.module import Avdet, BoxedFrames
from training.methods.avdet.preparing import Lessons, prepare
from training.methods.localiser import Widths
from training.methods.moments import as_it_is
from training.methods.running import fitting_batch, open_parts, widths_of


@dataclass(frozen=True, slots=True)
class Request:
    """What to train, and on what.

    Attributes:
        config: see there.
        caches: directories or URLs; the splits train and val of them are used, test never.
        localize: gives the heatmaps.
        run: how.
        shuffled_audio, shuffled_labels: the controls, see `preparing.prepare`.
    """

    config: AvdetConfig
    caches: tuple[Path | str, ...]
    localize: Localizer
    run: RunOptions
    shuffled_audio: bool = False
    shuffled_labels: bool = False


@dataclass(frozen=True, slots=True)
class Trained:
    """How a run ended, and what it was trained on."""

    fitted: Fitted
    lessons: Lessons


def train(request: Request, *, say: Callable[[str], None] = typer.echo) -> Trained:
    """Train a detector.

    Raises:
        CacheError: a cache cannot be read, has no training or validation part, or gives too few boxes.
        LoopError: see `training.loop.fitting.fit`.
    """
    config, run = request.config, request.run
    lessons, widths, class_map = _lessons(request, say)
    seed_all(run.seed)
    module = Avdet(config, widths, class_map, lessons.names)
    module.inputs.load_state_dict(lessons.inputs.state_dict())
    batch = fitting_batch(config.batch, len(lessons.train["seen"]))
    data = TrainingData(BoxedFrames(lessons.train), BoxedFrames(lessons.val), batch, collate=as_it_is)
    return Trained(fit(module, data, run, say=say), lessons)


def _lessons(request: Request, say: Callable[[str], None]) -> tuple[Lessons, Widths, tuple[int, ...]]:
    train_part, val_part = open_parts(request.caches)
    seed_all(request.run.seed)
    widths, class_map = widths_of(train_part), class_map_of(train_part)
    lessons = prepare(
        train_part,
        val_part,
        request.localize,
        request.config,
        widths,
        class_map[-1],
        shuffled_audio=request.run.seed if request.shuffled_audio else None,
        shuffled_labels=request.shuffled_labels,
        say=say,
    )
    return lessons, widths, class_map


def class_map_of(cache: Cache) -> tuple[int, ...]:
    """H, W and C of the class maps of a cache. Raises CacheError if it has none."""
    cache.need_class_maps()
    return tuple(cache.arrays(0, ("class_map",))["class_map"].shape[2:])
