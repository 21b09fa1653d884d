"""The guidance: similarities of images are drawn towards those of the words for them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from training.methods.language_guidance.config import Direction


def guidance_loss(
    image: Tensor,
    language: Tensor,
    same: Tensor,
    *,
    shift: float = 1.0,
    temperature: float = 1.0,
    direction: Direction = "backward",
) -> Tensor:
    """Divergence between the rows of two matrices of similarities (`language_guidance.py` of the authors).

    Where both items are of one class both similarities become 1 + shift; elsewhere only language is shifted.
    With the published shift of 1 a text cosine above 0 so asks for more than any two images can have.

    Args:
        image, language: (B, B) cosines of the same items; only the first gets a gradient.
        same: (B, B) bool, which items are of one class, each with itself among them.
        shift: added to the similarities of language.
        temperature: of the softmax over a row.
        direction: `backward`, KL(image || language), or `forward`.

    Returns:
        temperature^2 times the mean over rows, at least 0; 0 where the distributions agree.
    """
    rows = (image, language.detach() + shift)
    seen, said = (torch.log_softmax(part.masked_fill(same, 1 + shift) / temperature, dim=1) for part in rows)
    other, first = (said, seen) if direction == "backward" else (seen, said)
    return temperature**2 * functional.kl_div(other, first, reduction="batchmean", log_target=True)


def name_similarity(texts: Tensor) -> Tensor:
    """Similarity of classes by the embeddings of their names, (C, D) unit vectors to (C, C): ELG."""
    return texts @ texts.T


def pseudo_similarity(texts: Tensor) -> Tensor:
    """Similarity of classes by their k pseudo-names: PLG.

    Args:
        texts: (C, k, D) unit vectors, the likeliest name of each class first.

    Returns:
        (C, C), the mean over the ranks; names of unlike rank are not compared.
    """
    return torch.einsum("ird,jrd->ij", texts, texts) / texts.shape[1]


def pseudo_classes(logits: Tensor, labels: Tensor, *, count: int) -> Tensor:
    """What a classifier sees in each class: the classes with the largest mean logits over its samples.

    Args:
        logits: (N, K) of the samples.
        labels: (N,) in 0 .. C - 1, each of them there.
        count: how many to name, at most K.

    Returns:
        (C, count) int64, likeliest first.
    """
    sums = logits.new_zeros(int(labels.max()) + 1, logits.shape[1]).index_add(0, labels, logits)
    means = sums / labels.bincount()[:, None]
    return means.topk(count, dim=1).indices


def exchanged(similarity: Tensor, *, seed: int) -> Tensor:
    """The similarity (C, C) of classes, at least two, after each has got the name of another one."""
    order = torch.randperm(len(similarity), generator=torch.Generator().manual_seed(seed))
    names = torch.empty_like(order)
    names[order] = order.roll(1)  # along one cycle, in which none keeps its own
    return similarity[names][:, names]
