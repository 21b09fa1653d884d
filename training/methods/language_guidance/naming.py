"""Names for what is seen and heard, by language: what it looks like and what is heard are called alike.

In PLG (Roth, Vinyals and Akata, CVPR 2022) pseudo-names, those of the likeliest ImageNet classes, guide
training. Here they name one thing: they are compared with the names of the events heard with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from app.pipeline.encode import SILENCE
from training.encoders.minilm import load_minilm
from training.guided.bridge import general_events

# Chosen on validation scenes, as was that names are encoded without a prompt.
NAMES = 20  # classes that a thing is called
_POWER = 4  # of the similarity of two names
FLOOR = 0.02  # link of an event to anything, so that an unlucky name does not rule it out


def name_link(classes: Sequence[str], events: Sequence[str]) -> Tensor:
    """(K, E) in [0, 1]: how near the names of K classes and E events are, MiniLM's cosine to the power of 4.

    As a bundle keeps it: in half precision, and 0 for what is linked less than anything is anyway, which is
    98 % of the pairs. Raises WeightsMissing.
    """
    minilm = load_minilm()
    texts = [minilm.encode([name.replace("_", " ") for name in names]) for names in (classes, events)]
    link = (texts[0] @ texts[1].T).clamp(0, 1) ** _POWER
    return link.where(link >= FLOOR, 0).half().float()


def said(events: Sequence[str]) -> Tensor:
    """(E,) bool, which events name a thing: not those for a whole family, such as "Music", nor silence."""
    unsaid = general_events() | {SILENCE}
    return torch.tensor([name not in unsaid for name in events])


def event_evidence(looks: Tensor, heard: Tensor, link: Tensor) -> Tensor:
    """How well each event names each of B things: it is heard, and called like what the thing looks like.

    Args:
        looks: (B, K) probabilities of the classes inside its box.
        heard: (B, E) scores of the events in [0, 1].
        link: (K, E), of `name_link`.

    Returns:
        (B, E) in [0, 1.02].
    """
    return heard * (pseudo_names(looks) @ link + FLOOR)


def class_evidence(looks: Tensor, heard: Tensor, link: Tensor) -> Tensor:
    """(B, K) how well each class names each thing: it is seen, and what is heard is called alike.

    Arguments as of `event_evidence`.
    """
    return pseudo_names(looks) * (heard @ link.T)


def pseudo_names(looks: Tensor) -> Tensor:
    """The likeliest classes (B, K) of each thing, their probabilities scaled to sum to 1; else 0."""
    best = looks.topk(min(NAMES, looks.shape[1]), dim=1)
    kept = torch.zeros_like(looks).scatter(1, best.indices, best.values)
    return kept / kept.sum(1, keepdim=True)
