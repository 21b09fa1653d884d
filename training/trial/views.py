"""Does CMC grow better with more views? Linear probe and cross-modal retrieval, as in section 4 of the paper.

The core view is the sound: its encoder is the one that every objective trains, so it is the one that is
probed, as the paper probes the encoder of its core view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.evaluation.tables import Table
from training.methods.cmc.config import View
from training.methods.cmc.module import Cmc, view_similarity
from training.methods.linear_probe import Features, fit_probe
from training.trial.gallery import Gallery

ORDER: tuple[View, ...] = ("audio", "frame", "crop", "motion")
_RATE, _EPOCHS = 0.1, 60  # of the probe, as for AlexNet in the paper
_LEAST = 1e-4  # deviation of a feature, which is divided by


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the vectors of a module are on moments that it has not seen; shares in [0, 1].

    Attributes:
        probe: top-1 accuracy of a linear classifier of what is heard, on the vectors of the sound.
        to_frame: share of sounds whose own frame is the first, and among the first five, of all frames.
        to_sound: the same from frame to sound.
    """

    probe: float
    to_frame: tuple[float, float]
    to_sound: tuple[float, float]


def quality_of(module: Cmc, train: Gallery, test: Gallery) -> Quality:
    """Probe fitted on moments of the training part, and everything measured on those of the test part."""
    with torch.no_grad():
        sounds = [module.listen(part.moments["embedding"]) for part in (train, test)]
    scores = sounds_by_frames(module, test)
    return Quality(probe_accuracy(sounds[0], train, sounds[1], test), recalls(scores), recalls(scores.T))


@torch.no_grad()
def sounds_by_frames(module: Cmc, gallery: Gallery) -> Tensor:
    """Similarities (N, N) of the sound of each moment, in rows, with the frame of each."""
    frames = module.look("frame", module.inputs.seen(gallery.moments["tokens"]))
    sounds = module.listen(gallery.moments["embedding"])
    return view_similarity(sounds, frames.flatten(1, 2), cells=module.config.cells)


def probe_accuracy(train_x: Tensor, train: Gallery, test_x: Tensor, test: Gallery) -> float:
    """Top-1 accuracy of a linear classifier on features (N, D) of what is heard.

    Only moments with one label take part, and only labels that the training part has.
    """
    train_rows, labels = single_labels(train)
    names = sorted(set(labels))
    known = [(row, name) for row, name in zip(*single_labels(test), strict=True) if name in names]
    x = train_x[train_rows]
    mean, scale = x.mean(0), x.std(0).clamp(min=_LEAST)
    parts = [
        Features((features - mean) / scale, torch.tensor([names.index(name) for name in heard]))
        for features, heard in (
            (x, labels),
            (test_x[[row for row, _ in known]], [name for _, name in known]),
        )
    ]
    return fit_probe(*parts, rate=_RATE, epochs=_EPOCHS).top1


def single_labels(gallery: Gallery) -> tuple[list[int], list[str]]:
    """Rows in which one named thing is heard, and its name."""
    rows = [row for row, facts in enumerate(gallery.facts) if len(facts.labels) == 1]
    return rows, [gallery.facts[row].labels[0] for row in rows]


def recalls(scores: Tensor) -> tuple[float, float]:
    """R@1 and R@5 of scores (N, N), whose diagonal is right; of equal scores the right one comes last."""
    first, fifth = (float((places(scores) < k).float().mean()) for k in (1, 5))
    return first, fifth


def places(scores: Tensor) -> Tensor:
    """(N,) how many stand before the right one, on the diagonal of scores (N, N); equal ones do."""
    return (scores >= scores.diagonal()[:, None]).sum(1) - 1


def quality_table(rows: Sequence[tuple[str, Sequence[Quality]]], *, n_probe: int, n: int) -> Table:
    """A line each for several seeds: mean and range over the seeds, in percent."""
    header = (
        "views",
        f"probe, n = {n_probe}",
        "sound to frame R@1",
        "R@5",
        "frame to sound R@1",
        "R@5",
    )
    body = []
    for name, seeds in rows:
        columns = np.array([(one.probe, *one.to_frame, *one.to_sound) for one in seeds]) * 100
        low, high, mean = columns.min(0), columns.max(0), columns.mean(0)
        cells = (f"{m:.1f} [{lo:.1f}, {hi:.1f}]" for m, lo, hi in zip(mean, low, high, strict=True))
        body.append((name, *cells))
    title = f"Probe and retrieval among {n} moments; percent, mean and range over seeds"
    return Table(title, header, tuple(body))
