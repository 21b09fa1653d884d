"""How well items find others of their class: recall at k, mAP at R, and clusters against classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score

from training.metrics.intervals import RESAMPLES, Estimate, bootstrap_mean

DEPTHS = (1, 2, 4, 8)
_STARTS = 10

Hits = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ranking:
    """What each of Q queries finds: `hits` (Q, N - 1), nearest first, and how many there are, `relevant`.

    `relevant` is (Q,). The same items are searched as ask, each leaving out itself. One that is alone in its
    class asks nothing.
    """

    hits: Hits
    relevant: npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Shares in [0, 1]: `recall` at each of `DEPTHS`, mAP at R, and NMI, which has no queries to resample."""

    recall: tuple[Estimate, ...]
    map_at_r: Estimate
    nmi: float


def rank(vectors: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> Ranking:
    """Rank all other items by the scalar product with each query.

    Args:
        vectors: (N, D) unit vectors.
        labels: (N,) classes.

    Raises:
        ValueError: no class has two items.
    """
    same = labels[:, None] == labels
    np.fill_diagonal(same, False)
    relevant = same.sum(1)
    asking = np.flatnonzero(relevant)
    if not asking.size:
        raise ValueError("no class has two items: nothing can be retrieved")
    similarity = vectors[asking] @ vectors.T
    similarity[np.arange(asking.size), asking] = -np.inf  # so that it comes last, and is cut off
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :-1]
    return Ranking(np.take_along_axis(same[asking], order, 1), relevant[asking])


def recall_at(ranking: Ranking, depth: int) -> Hits:
    """Whether each query (Q,) has one of its class among its `depth` nearest."""
    return np.asarray(ranking.hits[:, :depth].any(1))


def map_at_r(ranking: Ranking) -> Floats:
    """Of each query (Q,) the mean, over the first R places, of the precision there where it is a hit, else 0.

    R is the number of other items of its class (Musgrave, Belongie and Lim, ECCV 2020).
    """
    places = np.arange(1, ranking.hits.shape[1] + 1)
    counted = ranking.hits & (places <= ranking.relevant[:, None])
    precision = np.cumsum(ranking.hits, axis=1) / places
    return np.asarray((counted * precision).sum(1) / ranking.relevant)


def cluster_agreement(
    vectors: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], *, seed: int = 0
) -> float:
    """Normalised mutual information (arithmetic mean) of classes and as many clusters of k-means."""
    means = KMeans(len(np.unique(labels)), n_init=_STARTS, random_state=seed)
    return float(normalized_mutual_info_score(labels, means.fit_predict(vectors)))


def measure(
    vectors: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], *, resamples: int = RESAMPLES
) -> Retrieval:
    """All measures of unit vectors (N, D) of classes (N,). Raises ValueError if no class has two items."""
    ranking = rank(vectors, labels)
    recall = tuple(bootstrap_mean(recall_at(ranking, depth), resamples=resamples) for depth in DEPTHS)
    return Retrieval(
        recall,
        bootstrap_mean(map_at_r(ranking), resamples=resamples),
        cluster_agreement(vectors, labels),
    )
