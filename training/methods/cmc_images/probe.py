"""How much a linear classifier can read from frozen features (section 4.1 of CMC, `LinearProbing.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from training.methods.cmc_images.encoder import SplitEncoder
from training.methods.cmc_images.pictures import Pictures, central

_BATCH = 256
_MOMENTUM = 0.9
_DROPS = (30 / 60, 40 / 60, 50 / 60)  # after these shares of the epochs ...
_DROP_FACTOR = 0.2  # ... the rate falls to this part
_FIRST_DEVIATION = 0.01  # of the classifier's first weights


@dataclass(frozen=True, slots=True)
class Features:
    """Pictures as an encoder sees them: `seen` (N, D), and their `labels` (N,) int64."""

    seen: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of pictures whose class is the first guess, `top1`, or among the first five, `top5`."""

    top1: float
    top5: float


def frozen_features(encoder: SplitEncoder, pictures: Pictures, *, crop: int, workers: int = 0) -> Features:
    """Encode the middle of each picture, with the encoder in evaluation mode. On its device.

    The authors encode random crops anew in each epoch of the probe; once is enough here, at a sixtieth of
    the time.
    """
    encoder.eval()
    parts = list(_encoded(encoder, pictures, crop=crop, workers=workers))
    return Features(torch.cat(parts), pictures.labels.to(parts[0].device))


def settle_statistics(encoder: SplitEncoder, pictures: Pictures, *, crop: int, workers: int = 0) -> None:
    """Take the means and variances of the batch normalisation from pictures, and leave the weights.

    An encoder without training needs it to be compared fairly: with means 0 and variances 1 its features
    would be next to nothing.
    """
    for layer in encoder.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # the mean of all batches
    encoder.train()
    for _ in _encoded(encoder, pictures, crop=crop, workers=workers, mixed=True):
        pass


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


def majority_share(train: Pictures, val: Pictures) -> float:
    """Accuracy of always guessing the class that is the most frequent one in training."""
    return float((val.labels == train.labels.mode().values).float().mean())


@torch.no_grad()
def _encoded(
    encoder: SplitEncoder, pictures: Pictures, *, crop: int, workers: int, mixed: bool = False
) -> Iterator[Tensor]:
    """Features of batches in the order of the pictures, or of whole batches in one that mixes the classes."""
    weight = next(encoder.parameters())
    loader = DataLoader(
        pictures,
        batch_size=min(_BATCH, len(pictures)),
        shuffle=mixed,
        drop_last=mixed,
        generator=torch.Generator().manual_seed(0),
        num_workers=workers,
    )
    for batch in loader:
        yield encoder(central(batch["picture"].to(weight) / 255, crop)).seen
