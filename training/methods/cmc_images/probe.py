"""Frozen features of pictures for the linear probe (section 4.1 of CMC, `LinearProbing.py`)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from training.methods.cmc_images.encoder import SplitEncoder
from training.methods.cmc_images.pictures import Pictures, central
from training.methods.linear_probe import Features

_BATCH = 256


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
