"""Names for pseudo-classes, so that a user reads words.

They come from labelled validation frames, or from what a cluster sounds and looks like.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from training.encoders.events import EVENT_NAMES
from training.guided.bridge import Bridge, load_bridge
from training.guided.localizer import Hearing

_ENOUGH = 3  # marked members of a cluster that may name it
_MOST = 0.6  # share of them that must agree
_LEAST = 0.02  # evidence of the concept that names a cluster otherwise

_PEOPLE = ("person", "head")
# Concepts of the bridge that are not called as a user would call the thing.
_WORDS = {
    "head": "person",
    "mallet": "xylophone",
    "brass": "brass instrument",
    "reed": "woodwind instrument",
    "bells": "bell",
    "bigcat": "big cat",
    "songbird": "bird",
    "bigbird": "bird",
    "gamebird": "bird",
    "cattle": "cow",
    "wild": "wild animal",
    "plane": "aeroplane",
    "emergency": "emergency vehicle",
    "kitchen": "kitchen appliance",
    "vacuum": "vacuum cleaner",
    "hairdryer": "hair dryer",
    "sewing": "sewing machine",
    "washer": "washing machine",
}


def names_of_clusters(
    members: Tensor, events: Tensor, looks: Tensor, marked: Tensor, labels: Sequence[str], *, clusters: int
) -> tuple[str, ...]:
    """K names, several clusters having the same if they show the same.

    Args:
        members: (N,) cluster of each training frame; -1 for none.
        events: (N, E) what is heard there.
        looks: (N, 1000) mean class map of the place it comes from.
        marked: (M,) cluster of each validation frame whose sound has a label.
        labels: M of those.
        clusters: K.
    """
    bridge = load_bridge()
    by_label = _majorities(marked, labels)
    names = []
    for cluster in range(clusters):
        inside = members == cluster
        if cluster in by_label:
            names.append(by_label[cluster])
        elif inside.any():
            names.append(bridged_name(events[inside].float(), looks[inside].float(), bridge))
        else:
            names.append("object")
    return tuple(names)


def bridged_name(events: Tensor, looks: Tensor, bridge: Bridge) -> str:
    """The concept that is both heard (E,) and seen (1000,) most in some frames, else the surest event.

    The language bridge of the guided localiser links the names of AudioSet and of ImageNet.
    """
    heard = Hearing(bridge)(events).mean(0).numpy()  # (C,)
    seen = (looks.mean(0).numpy() * bridge.looks).sum(1)  # (C,)
    people = [bridge.concepts.index(name) for name in _PEOPLE]
    # People have no class of ImageNet: they are what is left where nothing else is recognised.
    seen[people] = max(0.0, 0.5 - float(seen.max()))
    evidence = heard * seen
    best = int(evidence.argmax())
    if evidence[best] >= _LEAST:
        name = bridge.concepts[best]
        return _WORDS.get(name, name)
    return EVENT_NAMES[int(events.mean(0).argmax())].split(",")[0].lower()


def matched_names(
    clusters: npt.NDArray[np.int64], labels: Sequence[str], *, n_clusters: int
) -> dict[int, str]:
    """One label for a cluster and one cluster for a label, so that most samples agree (Hungarian method).

    Args:
        clusters: (N,) of marked samples.
        labels: N names.
        n_clusters: K.

    Returns:
        Cluster to name; clusters that are left without a label are not in it.
    """
    kinds = sorted(set(labels))
    counts = np.zeros((n_clusters, len(kinds)), np.int64)
    for cluster, label in zip(clusters, labels, strict=True):
        counts[cluster, kinds.index(label)] += 1
    rows, columns = linear_sum_assignment(-counts)
    return {int(row): kinds[column] for row, column in zip(rows, columns, strict=True) if counts[row, column]}


def majority_names(clusters: npt.NDArray[np.int64], labels: Sequence[str]) -> dict[int, str]:
    """The commonest label of each cluster; several clusters may share one (many to one)."""
    return {
        int(cluster): Counter(
            label for one, label in zip(clusters, labels, strict=True) if one == cluster
        ).most_common(1)[0][0]
        for cluster in np.unique(clusters)
    }


def _majorities(marked: Tensor, labels: Sequence[str]) -> dict[int, str]:
    """Names of clusters about which enough marked samples agree."""
    sure = {}
    for cluster in marked.unique().tolist():
        inside = [
            label for one, label in zip(marked.tolist(), labels, strict=True) if one == cluster and label
        ]
        counted = Counter(inside).most_common(1)
        if len(inside) >= _ENOUGH and counted[0][1] >= _MOST * len(inside):
            sure[cluster] = counted[0][0]
    return sure
