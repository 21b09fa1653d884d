"""The bridge in words, and what text similarity would add to it."""

from __future__ import annotations

import numpy as np
import torch
from rich.table import Table

from training.encoders.minilm import load_minilm
from training.encoders.weights import IMAGENET_NAMES, published_path
from training.encoders.yamnet import event_names
from training.guided.bridge import load_bridge


def class_names() -> list[str]:
    """The first lemma of each of the 1000 ImageNet classes. Raises WeightsMissing."""
    info = published_path(IMAGENET_NAMES)
    lines = (info / "imagenet_synset_to_lemma.txt").read_text(encoding="utf-8").splitlines()
    lemmas = dict(line.split("\t")[:2] for line in lines)
    synsets = (info / "imagenet_synsets.txt").read_text(encoding="utf-8").split()
    return [lemmas[synset].split(",")[0] for synset in synsets]


def bridge_table() -> Table:
    """Every concept with the names of its visual classes and sounds."""
    table = Table("concept", "looks like", "surely heard as", "also heard as")
    classes, events, links = class_names(), event_names(), load_bridge()
    for column, name in enumerate(links.concepts):
        looks = [classes[k] for k in np.flatnonzero(links.looks[column])]
        sure = [events[k] for k in np.flatnonzero(links.sure[:, column])]
        near = [events[k] for k in np.flatnonzero(links.near[:, column]) if not links.sure[k, column]]
        table.add_row(name, ", ".join(looks), ", ".join(sure), ", ".join(near))
    return table


def suggestion_table(n: int = 3) -> Table:
    """For each sound without a link, the visual classes with the nearest names (cosine of MiniLM).

    An aid for whoever edits `concepts.toml`; "Thunder" is nearest to "thunder snake", so nothing is taken
    from it unseen.
    """
    table = Table("sound without a link", "nearest names")
    classes, events, links = class_names(), event_names(), load_bridge()
    minilm = load_minilm()
    with torch.inference_mode():
        similarity = minilm.encode(list(events)).numpy() @ minilm.encode(classes).numpy().T
    linked = np.maximum(links.sure, links.near).max(1) > 0
    for event in np.flatnonzero(~linked):
        nearest = np.argsort(-similarity[event])[:n]
        table.add_row(events[event], ", ".join(f"{classes[k]} {similarity[event, k]:.2f}" for k in nearest))
    return table
