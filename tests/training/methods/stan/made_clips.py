"""Clips for the tiny bundle: a white square stands in a cell, and a tone is heard in some frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from app.inference.bundle import Bundle
from tests.training.cache.conftest import RATE_HZ, MadeExample
from training.cache.encoding import ExampleEncoder, Recipe
from training.cache.filling import fill_cache
from training.data.examples import Facts, Footage, Visible
from training.methods.stan.perception import WORDS, Perception

SMALL = {"channels": 8, "looks": 2, "heads": 2, "width": 4, "batch": 4, "rate": 0.02}
"""Values of the configuration with which an epoch takes no time."""


@dataclass
class Clip(MadeExample):
    """`tone` are the first frame in which the tone is heard and the one from which on it is not."""

    tone: tuple[int, int] = (0, 1000)

    def footage(self, *, size: int, fps: float) -> Footage:
        plain = super().footage(size=size, fps=fps)
        start, stop = (round(frame / fps * RATE_HZ) for frame in self.tone)
        heard = np.zeros_like(plain.waveform)
        heard[start:stop] = plain.waveform[start:stop]
        return dataclasses.replace(plain, waveform=heard)


def clip(
    name: str,
    *,
    split: str = "train",
    tone: tuple[int, int] = (1, 3),
    cell: tuple[int, int] = (1, 2),
    n_frames: int = 6,
    known: bool = True,
    sound: bool = True,
) -> Clip:
    """A clip whose square is the source of the tone; if that is known, then in every frame."""
    row, column = cell
    box = np.float32([[column, row, column + 1, row + 1]]) / 4
    frames = np.arange(n_frames)
    thing = Visible("tone", box.repeat(n_frames, 0), (frames >= tone[0]) & (frames < tone[1]))
    return Clip(
        Facts(name, labels=("tone",), split=split),
        cell=cell,
        n_frames=n_frames,
        judged=tuple(frames) if known else (),
        sound=sound,
        things=(thing,) if known else (),
        tone=tone,
    )


def clips(count: int, *, split: str) -> list[Clip]:
    """Clips with the square in some cell, and the tone in two frames somewhere."""
    cells = [divmod(5 * number % 16, 4) for number in range(count)]
    return [
        clip(f"{split}-{number}", split=split, cell=cell, tone=(number % 5, number % 5 + 2))
        for number, cell in enumerate(cells)
    ]


def write_clips(
    directory: Path, bundle: Bundle, made: Iterable[MadeExample], *, class_map: bool = True
) -> Path:
    """Write a cache of clips and return its directory."""
    encoder = ExampleEncoder(bundle, Recipe(views=0, class_map=class_map))
    fill_cache(directory, list(made), encoder=encoder, source={})
    return directory


def tiny_teacher(perception: Perception) -> Tensor:
    """In the place of `take_published`, whose weights do not fit the tiny bundle: hears what that hears.

    The logit of Tone is 4 where it is loud and -4 in silence, that of Music 0 and -4, Silence never is; all
    go through the bound of `Perception.hear`.
    """
    perception.classes.copy_(torch.linspace(-1, 1, perception.classes.numel()).view_as(perception.classes))
    perception.teacher_weight.copy_(torch.tensor([[8.0, 0], [4, 0], [0, 0], [0, 0]]))
    perception.teacher_bias.copy_(torch.tensor([-4.0, -4, -20, -4]))
    return torch.eye(4, WORDS)
