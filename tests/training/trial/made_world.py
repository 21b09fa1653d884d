"""A made-up world that STAN learns in seconds: four kinds of things that are seen and heard for a while.

A clip has `STEPS` steps of `SIDE` x `SIDE` cells. In it stand two things of different kinds, each in a cell
and for three steps of its own; what they look like is a direction of their kind on noise. One of them is
heard while it is in sight, the other is silent. The heat of the localiser is noisy, and now and then marks a
cell in which there is nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.loop.fitting import Fitted, RunOptions, fit
from training.loop.loading import TrainingData
from training.loop.seeding import seed_all
from training.methods.localiser import Widths
from training.methods.moments import as_it_is
from training.methods.stan.config import StanConfig
from training.methods.stan.loading import load_explainer
from training.methods.stan.module import Stan
from training.methods.stan.perception import WORDS
from training.methods.stan.scenes import Scene, Windows, audio_visual_events

EVENTS = ("Bark", "Meow", "Siren", "Harp", "Silence")
KINDS = ("bark", "meow", "siren", "harp")  # labels, each of which means the event of the same number
SIDE, STEPS, LASTING = 4, 10, 3
TOKENS, SOUND = 8, 8
CONFIG = StanConfig(channels=TOKENS, looks=1, heads=2, width=8, rate=0.01, batch=16, epochs=24)
WIDTHS = Widths(token=TOKENS, sound=SOUND, grid=SIDE)

_TEACHER = 3 * torch.eye(SOUND)[: len(EVENTS)]  # logits of what is heard
_TEACHER[-1] = 0
_BIAS = torch.full((len(EVENTS),), -4.0)
_MEAN = torch.full((SOUND,), 0.3)  # of windows


@dataclass(frozen=True, slots=True)
class Thing:
    """A kind, the cell in which it stands, and the first step at which it does."""

    kind: int
    cell: int
    onset: int

    @property
    def steps(self) -> slice:
        return slice(self.onset, self.onset + LASTING)


@dataclass(frozen=True, slots=True)
class World:
    """A network that was trained on the world, and clips that it has not seen.

    Attributes:
        others: the same clips with the sound of the silent thing, at the steps in which that is seen.
    """

    stan: Stan
    fitted: Fitted
    clips: list[Scene]
    others: list[Scene]


def clip(number: int, *, sound: str = "own") -> Scene:
    """A clip, in which the first of two things is heard.

    Args:
        sound: `own`; or `other`, that of the second thing; or `none`, that of a third kind that is not in
            sight.
    """
    rng = np.random.default_rng(number)
    kinds = rng.permutation(len(KINDS))
    cells = rng.choice(SIDE**2, 2, replace=False)
    onsets = rng.integers(0, STEPS - LASTING + 1, 2)
    first, second = (Thing(*map(int, part)) for part in zip(kinds, cells, onsets, strict=False))
    seen = rng.normal(0, 0.3, (STEPS, SIDE**2, TOKENS + WORDS))
    seen[..., TOKENS:] = 0
    for thing in (first, second):
        seen[thing.steps, thing.cell, thing.kind] += 2
    heard = {"own": first, "other": second, "none": Thing(int(kinds[2]), first.cell, first.onset)}[sound]
    source = None if sound == "none" else heard
    window = rng.uniform(0, 0.3, (STEPS, SOUND))
    window[heard.steps, heard.kind] += 2.5
    window = torch.from_numpy(window).float()
    told = window @ _TEACHER.T + _BIAS
    sounding = torch.zeros(STEPS, 1, dtype=torch.bool)
    if source is not None:
        sounding[source.steps] = True
    boxes, cover = torch.full((STEPS, 1, 4), torch.nan), torch.zeros(STEPS, SIDE * SIDE)
    if source is not None:
        cover[source.steps, source.cell] = 1
        row, column = divmod(source.cell, SIDE)
        boxes[source.steps, 0] = torch.tensor([column, row, column + 1, row + 1]) / SIDE
    presence = sounding[:, 0].float()
    return Scene(
        seen=torch.from_numpy(seen).half(),
        heat=_heat(rng, source).half(),
        heard=(window - _MEAN).half(),
        told=told.half(),
        there=torch.ones(STEPS, dtype=torch.bool),
        presence=presence,
        events=audio_visual_events(told, presence),
        cover=cover,
        boxes=boxes,
        box_sounding=sounding,
        labels=(KINDS[heard.kind],),
        known=True,
        timed=True,
        times_s=torch.arange(STEPS) / 2,
        example=number,
    )


def _heat(rng: np.random.Generator, source: Thing | None) -> Tensor:
    heat = rng.uniform(0, 0.2, (STEPS, SIDE**2))
    if source is not None:
        heat[source.steps, source.cell] = 0.8
    for step in range(STEPS):
        if rng.uniform() < 0.3:
            heat[step, rng.integers(SIDE**2)] = 0.9
    return torch.from_numpy(heat).float()


def untrained() -> Stan:
    """The network before training, with what silence and the average sound are like."""
    stan = Stan(CONFIG, WIDTHS, (1, 1, 1), EVENTS)
    network = stan.network
    network.names.copy_(torch.eye(len(EVENTS), WORDS))
    network.silence_heard.copy_(-_MEAN)
    network.silence_told.copy_(_BIAS)
    network.usual_told.copy_(_TEACHER @ _MEAN + _BIAS)
    return stan


def learn(out: Path, *, say: Callable[[str], None] = str) -> World:
    """Train the network on the world, its checkpoint in a directory. In a third of the clips what is heard is
    not in sight."""
    seed_all(0)
    stan = untrained()
    train, val = (
        [clip(number, sound="none" if number % 3 == 0 else "own") for number in numbers]
        for numbers in (range(192), range(1000, 1048))
    )
    data = TrainingData(Windows(train), Windows(val), CONFIG.batch, collate=as_it_is)
    run = RunOptions(out, CONFIG.epochs, seed=0, devices=1, accelerator="cpu")
    fitted = fit(stan, data, run, say=say)
    numbers = range(2000, 2040)
    return World(
        load_explainer(fitted.best),
        fitted,
        [clip(number) for number in numbers],
        [clip(number, sound="other") for number in numbers],
    )
