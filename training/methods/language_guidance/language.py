"""What language says about classes: their names, or what an ImageNet classifier calls them, by MiniLM."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from training.encoders.minilm import load_minilm
from training.guided.names import class_names
from training.methods.language_guidance.config import LanguageGuidanceConfig
from training.methods.language_guidance.guidance import (
    exchanged,
    name_similarity,
    pseudo_classes,
    pseudo_similarity,
)


def class_similarity(
    config: LanguageGuidanceConfig,
    classes: Sequence[str],
    *,
    logits: Tensor,
    labels: Tensor,
    seed: int,
) -> Tensor | None:
    """The similarity of classes that guides.

    Args:
        config: see there.
        classes: C names of folders; `_` stands for a space.
        logits: (N, 1000) of the training pictures, which `plg` takes names from.
        labels: (N,) their classes.
        seed: which names are exchanged, of `shuffled`.

    Returns:
        (C, C) cosines, or None without guidance.

    Raises:
        WeightsMissing: MiniLM or the names of ImageNet have not been fetched.
    """
    if config.guidance == "none":
        return None
    if config.guidance == "plg":
        named, there = pseudo_classes(logits, labels, count=config.names), class_names()
        texts = _encode([there[index] for index in named.flatten().tolist()], prompt=config.prompt)
        return pseudo_similarity(texts.view(*named.shape, -1))
    similarity = name_similarity(_encode(classes, prompt=config.prompt))
    return exchanged(similarity, seed=seed) if config.guidance == "shuffled" else similarity


def _encode(names: Sequence[str], *, prompt: str) -> Tensor:
    # A copy: what was made in inference mode cannot take part in training.
    return load_minilm().encode([prompt.format(name.replace("_", " ")) for name in names]).clone()
