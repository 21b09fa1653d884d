"""Pseudo-classes by self-labelling: clusters on which what is heard and what is seen agree.

Asano et al., "Labelling unlabelled videos from scratch with multi-modal self-supervision", NeurIPS 2020
(SeLaVi): labels are the optimal transport of samples to K clusters of given sizes, under the product of what
an audio and a visual classifier say; the classifiers then learn the labels; and so on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor, nn
from torch.nn import functional

_SINKHORN_STEPS, _SINKHORN_CHECK, _SINKHORN_DONE = 2000, 10, 0.1
_STEPS = 60  # of the optimiser for one classifier
_BATCH = 256
_RATE, _WEIGHT_DECAY = 5e-3, 0.1
_COMPONENTS = 64  # of the sounds, for the first clusters
_DROPOUT = 0.3  # as in SeLaVi


@dataclass(frozen=True, slots=True)
class Clustering:
    """N samples in K clusters, by the head whose two halves agree most.

    Attributes:
        label: (N,) int64, the cluster that optimal transport gave.
        heard, seen: (N,) int64, the cluster that either classifier prefers.
        sureness: (N,) in [0, 1], product of the two probabilities of `label`.
        classifiers: audio and visual one, which label new samples.
    """

    label: Tensor
    heard: Tensor
    seen: Tensor
    sureness: Tensor
    classifiers: tuple[nn.Module, nn.Module]

    @property
    def agreement(self) -> float:
        """Share of samples whose audio and visual clusters are the same."""
        return float((self.heard == self.seen).float().mean())

    def kept(self, share: float) -> Tensor:
        """(N,) bool: of the samples on which sound and sight agree that share, the surest."""
        agreed = self.heard == self.seen
        if not agreed.any():
            return agreed
        return agreed & (self.sureness >= self.sureness[agreed].quantile(1 - share))

    def of(self, heard: Tensor, seen: Tensor) -> Tensor:
        """(M,) clusters of new samples, heard (M, Da) and seen (M, Dv), by both classifiers together."""
        with torch.no_grad():
            scores = [
                classifier(part).log_softmax(1)
                for classifier, part in zip(self.classifiers, (heard, seen), strict=True)
            ]
        return (scores[0] + scores[1]).argmax(1)


def self_label(
    heard: Tensor,
    seen: Tensor,
    group: Tensor,
    *,
    clusters: int,
    heads: int,
    rounds: int,
    sharpness: float,
    spread: float,
) -> Clustering:
    """Cluster samples by what is heard and what is seen.

    What is random comes from torch's generator.

    Args:
        heard, seen: (N, Da) and (N, Dv), on a common scale.
        group: (N,) samples of one group are known together or not at all.
        clusters, heads, rounds, sharpness, spread: as `AvdetConfig` has them.
    """
    halves = _halves(group)
    clusterings = [
        _one_head(heard, seen, halves, clusters, rounds=rounds, sharpness=sharpness, spread=spread)
        for _ in range(heads)
    ]
    return max(clusterings, key=lambda one: one.agreement)


def transport(scores: Tensor, sizes: Tensor) -> Tensor:
    """(N,) clusters of samples with positive scores (N, K), cluster k getting about its size of them.

    Sinkhorn-Knopp; sizes (K,) sum to 1, every sample weighs 1 / N. The label of sample i is the argmax over k
    of alpha_k P_ik beta_i (SeLaVi's `sk_utils`).
    """
    scores = scores.double()
    n = len(scores)
    share = torch.full((n,), 1 / n, dtype=torch.float64)
    beta = share.clone()
    alpha = sizes.double()
    for step in range(_SINKHORN_STEPS):
        alpha = sizes / (beta @ scores)
        new = share / (scores @ alpha)
        if step % _SINKHORN_CHECK == 0 and (beta / new - 1).abs().sum() <= _SINKHORN_DONE:
            beta = new
            break
        beta = new
    return (scores * alpha).argmax(1)


def _halves(group: Tensor) -> tuple[Tensor, Tensor]:
    """(N,) bool twice: two halves of the groups."""
    names, number = group.unique(return_inverse=True)
    first = torch.zeros(len(names), dtype=torch.bool)
    first[torch.randperm(len(names))[: max(1, len(names) // 2)]] = True
    return first[number], ~first[number]


def _one_head(
    heard: Tensor,
    seen: Tensor,
    halves: tuple[Tensor, Tensor],
    clusters: int,
    *,
    rounds: int,
    sharpness: float,
    spread: float,
) -> Clustering:
    """Labels of one half come from classifiers of the other, which do not know its samples.

    A few thousand samples can be known by heart: classifiers that see them would agree on any labels.
    """
    sizes = (1 + spread * torch.randn(clusters)).clamp(min=0.1)
    label = _by_sound(heard, clusters)
    for _ in range(rounds):
        by_sound, by_sight = _foretold(heard, seen, halves, label, clusters)
        label = _labels((by_sound, by_sight), sizes, sharpness)
    by_sound, by_sight = _foretold(heard, seen, halves, label, clusters)
    rows = torch.arange(len(label))
    everything = torch.ones_like(halves[0])
    return Clustering(
        label=label,
        heard=by_sound.argmax(1),
        seen=by_sight.argmax(1),
        sureness=by_sound[rows, label] * by_sight[rows, label],
        classifiers=(
            _taught(heard, label, everything, clusters),
            _taught(seen, label, everything, clusters),
        ),
    )


def _by_sound(heard: Tensor, clusters: int) -> Tensor:
    """(N,) first clusters: k-means of what is heard.

    From random ones, as in SeLaVi, a few thousand samples do not find their way.
    """
    points = (heard @ torch.pca_lowrank(heard, q=min(_COMPONENTS, *heard.shape))[2]).double().numpy()
    seed = int(torch.randint(2**31, ()))
    _, label = kmeans2(points, clusters, minit="++", missing="warn", seed=seed)
    return torch.from_numpy(label.astype("int64"))


def _foretold(
    heard: Tensor, seen: Tensor, halves: tuple[Tensor, Tensor], label: Tensor, clusters: int
) -> tuple[Tensor, Tensor]:
    """(N, K) probabilities by sound and by sight, of each half by classifiers of the other."""
    told = []
    for part in (heard, seen):
        probability = torch.empty(len(part), clusters)
        for known, unknown in (halves, halves[::-1]):
            classifier = _taught(part, label, known, clusters)
            with torch.no_grad():
                probability[unknown] = classifier(part[unknown]).softmax(1)
        told.append(probability)
    return told[0], told[1]


def _taught(part: Tensor, label: Tensor, known: Tensor, clusters: int) -> nn.Module:
    """A classifier of the labels of those samples that are known, in evaluation mode."""
    classifier = nn.Sequential(
        nn.BatchNorm1d(part.shape[1], affine=False),
        nn.Dropout(_DROPOUT),
        nn.Linear(part.shape[1], clusters),
    )
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=_RATE, weight_decay=_WEIGHT_DECAY)
    part, label = part[known], label[known]
    for _ in range(_STEPS):
        rows = torch.randint(len(label), (min(_BATCH, len(label)),))
        loss = functional.cross_entropy(classifier(part[rows]), label[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return classifier.eval()


def _labels(probabilities: tuple[Tensor, Tensor], sizes: Tensor, sharpness: float) -> Tensor:
    """Clusters (N,) of given relative sizes; the largest size goes to the cluster that has most now."""
    joint = (probabilities[0].double().log() + probabilities[1].double().log()).clamp(min=-1e3)
    scores = (joint - joint.amax(1, keepdim=True)).mul(sharpness / 2).clamp(min=math.log(1e-300) / 4).exp()
    now = scores.argmax(1).bincount(minlength=scores.shape[1])
    fitting = torch.empty_like(sizes, dtype=torch.float64)
    fitting[now.argsort()] = sizes.double().sort().values
    return transport(scores, fitting / fitting.sum())
