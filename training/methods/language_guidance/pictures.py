"""Pictures of classes to train on and of classes to leave unseen, as frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from training.encoders.dinov2 import Dinov2
from training.encoders.efficientnet_lite import EfficientNetLite
from training.loop.errors import LoopError
from training.loop.seeding import mixed
from training.methods.cmc_images.pictures import Folder, PictureFile, Pictures

SIDE = 260  # pixels, what EfficientNet-Lite2 was trained on
TOKENS_SIDE = 224  # pixels, if DINOv2 looks too
_BATCH = 16
_LEAST = 2  # pictures of a class: one to look for another one


class FeatureBatch(TypedDict):
    """`feature` (B, D), and `label`, the class, (B,) int64."""

    feature: Tensor
    label: Tensor


class Split(NamedTuple):
    """Pictures to train on, to validate by, and of unseen classes; `classes` are names of the trained ones.

    Labels of the trained classes come first, 0 .. len(classes) - 1.
    """

    train: list[PictureFile]
    val: list[PictureFile]
    unseen: list[PictureFile]
    classes: tuple[str, ...]


class Encoded(NamedTuple):
    """Pictures: `features` (N, 1280), or (N, 384) of DINOv2, `logits` (N, 1000) and `labels` (N,) int64."""

    features: Tensor
    logits: Tensor
    labels: Tensor


class Features(Dataset[FeatureBatch]):
    """Encoded pictures, one by one."""

    def __init__(self, encoded: Encoded) -> None:
        self._encoded = encoded

    def __len__(self) -> int:
        return len(self._encoded.labels)

    def __getitem__(self, index: int) -> FeatureBatch:
        return {"feature": self._encoded.features[index], "label": self._encoded.labels[index]}


class ClassBatches:
    """Batches of groups of pictures, each group of one class; every picture at most once an epoch."""

    def __init__(self, labels: Tensor, size: int, *, per_class: int, seed: int) -> None:
        """Raises LoopError if there are too few groups for one batch."""
        self._members = [np.flatnonzero(labels.numpy() == label) for label in labels.unique().tolist()]
        self._groups, self._per_class, self._seed = size // per_class, per_class, seed
        there = sum(len(members) // per_class for members in self._members)
        if not 0 < self._groups <= there:
            raise LoopError(
                f"there are {there} groups of {per_class} pictures of one class to train on, and a batch of"
                f" {size} takes {self._groups}: take another batch, or more pictures"
            )

    def __call__(self, epoch: int) -> list[list[int]]:
        random = np.random.default_rng(mixed(self._seed, "order", epoch))
        groups: list[np.ndarray] = []
        for members in self._members:
            whole = len(members) // self._per_class
            groups.extend(random.permutation(members)[: whole * self._per_class].reshape(whole, -1))
        order = random.permutation(len(groups))[: len(groups) // self._groups * self._groups]
        return [
            np.concatenate([groups[k] for k in rows]).tolist() for rows in order.reshape(-1, self._groups)
        ]


def split_classes(folder: Folder, *, trained: float, validation: float) -> Split:
    """Part the classes in the order of their names, as the paper does, and then the pictures of trained ones.

    Which pictures are for validation depends on their names only, whatever the seed.

    Args:
        folder: its own split does not matter here.
        trained: share of the classes, in (0, 1); at least two are trained, and two are not.
        validation: share of the pictures of each trained class, in (0, 1); at least two.

    Raises:
        LoopError: there are fewer than four classes, or a trained one has fewer than four pictures, or no
            unseen class has two.
    """
    files = sorted(folder.train + folder.val, key=lambda file: file.path)
    count = len(folder.classes)
    if count < 2 * _LEAST:
        raise LoopError(
            f"there are {count} classes: two are needed to train on and two others to be retrieved unseen"
        )
    n_trained = min(max(round(trained * count), _LEAST), count - _LEAST)
    train: list[PictureFile] = []
    val: list[PictureFile] = []
    for label, name in enumerate(folder.classes[:n_trained]):
        own = sorted((file for file in files if file.label == label), key=_place)
        held = max(_LEAST, round(validation * len(own)))
        if len(own) < held + _LEAST:
            raise LoopError(
                f"class {name} has {len(own)} pictures: {held} for validation leave too few to train"
            )
        val += own[:held]
        train += own[held:]
    unseen = [file for file in files if file.label >= n_trained]
    if len({file.label for file in unseen}) == len(unseen):
        raise LoopError("no unseen class has two pictures: nothing can be retrieved")
    return Split(train, val, unseen, folder.classes[:n_trained])


@torch.no_grad()
def encode(
    files: Sequence[PictureFile],
    classifier: EfficientNetLite,
    tokens: Dinov2 | None = None,
    *,
    workers: int = 0,
) -> Encoded:
    """Encode the middle of each picture once, on the device of the classifier, to be kept on the CPU.

    The features are the pooled ones of the classifier, or the mean of the tokens if there are any.
    """
    pictures = Pictures(files, side=SIDE if tokens is None else TOKENS_SIDE)
    weight = next(classifier.parameters())
    features, logits = [], []
    for batch in DataLoader(pictures, batch_size=_BATCH, num_workers=workers):
        seen = batch["picture"].to(weight)
        pooled = classifier.features(seen).mean((2, 3))
        features.append((pooled if tokens is None else tokens(seen).mean((1, 2))).cpu())
        logits.append(classifier.fc(pooled).cpu())
    return Encoded(torch.cat(features), torch.cat(logits), pictures.labels)


def _place(file: PictureFile) -> int:
    return mixed(file.path.parent.name, file.path.name)
