"""How much a linear classifier can read from frozen features (section 4.1 of CMC, `LinearProbing.py`)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

_BATCH = 256
_MOMENTUM = 0.9
_DROPS = (30 / 60, 40 / 60, 50 / 60)  # after these shares of the epochs ...
_DROP_FACTOR = 0.2  # ... the rate falls to this part
_FIRST_DEVIATION = 0.01  # of the classifier's first weights


@dataclass(frozen=True, slots=True)
class Features:
    """Items as an encoder sees or hears them: `seen` (N, D), and their `labels` (N,) int64."""

    seen: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of items whose class is the first guess, `top1`, or among the first five, `top5`."""

    top1: float
    top5: float


def fit_probe(train: Features, val: Features, *, rate: float, epochs: int, seed: int = 0) -> Accuracy:
    """Fit a linear classifier on training features, and judge it on those of validation.

    Args:
        train, val: on the device to compute on.
        rate: of SGD, without weight decay.
        epochs: how often all training features are seen.
        seed: of the first weights and the order.
    """
    generator = torch.Generator().manual_seed(seed)
    n_classes = int(torch.cat([train.labels, val.labels]).max()) + 1
    classifier = nn.Linear(train.seen.shape[1], n_classes)
    nn.init.normal_(classifier.weight, std=_FIRST_DEVIATION, generator=generator)
    nn.init.zeros_(classifier.bias)
    classifier.to(train.seen)
    optimizer = torch.optim.SGD(classifier.parameters(), rate, momentum=_MOMENTUM)
    drops = [round(share * epochs) for share in _DROPS]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, drops, _DROP_FACTOR)
    for _ in range(epochs):
        order = torch.randperm(len(train.labels), generator=generator).to(train.labels.device)
        for rows in order.split(_BATCH):
            optimizer.zero_grad()
            functional.cross_entropy(classifier(train.seen[rows]), train.labels[rows]).backward()
            optimizer.step()
        schedule.step()
    with torch.inference_mode():
        guesses = classifier(val.seen).topk(min(5, n_classes), 1).indices
    right = guesses == val.labels[:, None]
    return Accuracy(float(right[:, 0].float().mean()), float(right.any(1).float().mean()))
