"""Does CMC grow better with more views? Linear probe and cross-modal retrieval, as in section 4 of the paper.

The core view is the sound: its encoder is the one that every objective trains, so it is the one that is
probed, as the paper probes the encoder of its core view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from training.evaluation.tables import Table
from training.methods.cmc.config import View
from training.methods.cmc.module import Cmc, view_similarity
from training.trial.gallery import Gallery

ORDER: tuple[View, ...] = ("audio", "frame", "crop", "motion")
_RIDGE = 1e-3
_STEPS = 100


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


@torch.no_grad()
def quality_of(module: Cmc, train: Gallery, test: Gallery) -> Quality:
    """Probe fitted on moments of the training part, and everything measured on those of the test part."""
    sounds = [module.listen(part.moments["embedding"]) for part in (train, test)]
    tokens = test.moments["tokens"]
    frames = torch.cat([module.look("frame", module.inputs.seen(part)) for part in tokens.split(64)])
    scores = view_similarity(sounds[1], frames.flatten(1, 2), cells=module.config.cells)
    return Quality(probe_accuracy(sounds[0], train, sounds[1], test), recalls(scores), recalls(scores.T))


def probe_accuracy(train_x: Tensor, train: Gallery, test_x: Tensor, test: Gallery) -> float:
    """Top-1 accuracy of multinomial logistic regression on features (N, D) of what is heard.

    Only moments with one label take part, and only labels that the training part has.
    """
    train_rows, labels = single_labels(train)
    names = sorted(set(labels))
    test_rows, wanted = single_labels(test)
    known = [(row, name) for row, name in zip(test_rows, wanted, strict=True) if name in names]
    x, y = train_x[train_rows], torch.tensor([names.index(name) for name in labels])
    mean, scale = x.mean(0), x.std(0).clamp(min=1e-4)
    linear = _fit_linear((x - mean) / scale, y, n_classes=len(names))
    guesses = linear((test_x[[row for row, _ in known]] - mean) / scale).argmax(1)
    return float((guesses == torch.tensor([names.index(name) for _, name in known])).float().mean())


def single_labels(gallery: Gallery) -> tuple[list[int], list[str]]:
    """Rows in which one named thing is heard, and its name."""
    rows = [row for row, facts in enumerate(gallery.facts) if len(facts.labels) == 1]
    return rows, [gallery.facts[row].labels[0] for row in rows]


def recalls(scores: Tensor) -> tuple[float, float]:
    """R@1 and R@5 of scores (N, N), whose diagonal is right; of equal scores the right one comes last."""
    own = scores.diagonal()[:, None]
    better = (scores >= own).sum(1) - 1
    first, fifth = (float((better < k).float().mean()) for k in (1, 5))
    return first, fifth


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


@torch.enable_grad()
def _fit_linear(x: Tensor, y: Tensor, *, n_classes: int) -> nn.Linear:
    torch.manual_seed(0)
    linear = nn.Linear(x.shape[1], n_classes)
    optimizer = torch.optim.LBFGS(linear.parameters(), max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = nn.functional.cross_entropy(linear(x), y) + _RIDGE * linear.weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)  # type: ignore[arg-type]  # its stub wants a float
    return linear
