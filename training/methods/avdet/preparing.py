"""From caches to boxes with classes: steps 1 and 2 of AVDet, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from training.cache.index import CacheError
from training.cache.moments import Moment
from training.cache.reading import Cache
from training.evaluation.sounds import Localizer
from training.methods.avdet.boxes import USUAL_BETA, BoxRule, best_beta, heat_boxes
from training.methods.avdet.config import AvdetConfig
from training.methods.avdet.evidence import Evidence, fit_inputs, gather
from training.methods.avdet.labelling import Clustering, self_label
from training.methods.avdet.naming import names_of_clusters
from training.methods.localiser import Widths
from training.methods.sight import Sight

_FEWEST = 8  # boxes to learn from
_ENOUGH = 40  # marked frames to choose beta by
_MEMBERS = 4  # samples that a cluster should have


@dataclass(frozen=True, slots=True)
class Lessons:
    """What the detector is trained on.

    Attributes:
        inputs: scales and basis of what is seen.
        names: K names of the pseudo-classes.
        train: `seen` (B, G, G, C), `boxes` (B, 1, 4), `classes` (B, 1).
        val: `seen` (F, G, G, C), `heat` (F, G, G), `truth` (F, M, 4) NaN-padded, `sounds` (F, M) bool, and
            `marked` (F,) bool, whether people drew the truth.
        rule: by which boxes were made.
        clustering: of the frames with a plausible box.
        marked: (M,) clusters of validation frames whose sound has a label, and `labels` M of those.
    """

    inputs: Sight
    names: tuple[str, ...]
    train: Moment
    val: Moment
    rule: BoxRule
    clustering: Clustering
    marked: Tensor
    labels: tuple[str, ...]


def prepare(
    train_part: Cache,
    val_part: Cache,
    localize: Localizer,
    config: AvdetConfig,
    widths: Widths,
    n_classes: int,
    *,
    shuffled_audio: int | None = None,
    shuffled_labels: bool = False,
    say: Callable[[str], None],
) -> Lessons:
    """Localise, box, cluster and name.

    Args:
        widths, n_classes: of what the encoders give.
        shuffled_audio: seed of the control that gives each training frame the sound of another.
        shuffled_labels: the control that gives each box the class of another.
        say: gets a line for each step.

    Raises:
        CacheError: a cache cannot be used, or too few boxes come out of it.
    """
    inputs = Sight(widths, n_classes, channels=config.channels, looks=config.looks)
    fit_inputs(inputs, train_part)
    val = gather(val_part, localize, inputs, views=False, title="localising, validation")
    train = gather(train_part, localize, inputs, shuffle_seed=shuffled_audio)
    if not train.audible.any():
        raise CacheError("nothing is heard in any training frame: add clips with sound")
    rule = _rule(config, val, say)
    boxes = torch.from_numpy(heat_boxes(train.heat.float().numpy(), rule))
    usable = (train.audible & ~boxes[train.plain].isnan().any(1)).nonzero()[:, 0]
    if len(usable) < _FEWEST:
        raise CacheError(
            f"only {len(usable)} of {len(train)} training frames give a plausible box, {_FEWEST} are needed:"
            " add clips whose sources are in sight"
        )
    clusters = min(config.clusters, max(2, len(usable) // _MEMBERS))
    if clusters < config.clusters:
        say(f"note: {len(usable)} boxes to cluster, so {clusters} clusters instead of {config.clusters}")
    clustering = _cluster(train, inputs, usable, replace(config, clusters=clusters))
    kept = clustering.kept(config.agreeing)
    chosen, label = usable[kept], clustering.label[kept]
    say(
        f"{len(train)} training frames: {len(usable)} with a plausible box, of which {len(chosen)} are kept,"
        f" in {len(label.unique())} of {clusters} clusters; sound and sight agree on"
        f" {clustering.agreement:.0%}"
    )
    if len(chosen) < _FEWEST:
        raise CacheError(f"only {len(chosen)} frames are left to train on: add more clips")
    marked, labels = _labelled(val, inputs, clustering)
    everywhere = torch.full((len(train),), -1)
    everywhere[chosen] = label
    names = names_of_clusters(everywhere, train.events, train.looks, marked, labels, clusters=clusters)
    if shuffled_labels:
        label = label[torch.randperm(len(label))]
    return Lessons(
        inputs,
        names,
        _lessons(train, boxes, chosen, label),
        _judged(val, rule),
        rule,
        clustering,
        marked,
        labels,
    )


def _rule(config: AvdetConfig, val: Evidence, say: Callable[[str], None]) -> BoxRule:
    beta = config.beta
    if not beta:
        frames, truth = single_sources(val)
        beta = USUAL_BETA
        if len(frames) >= _ENOUGH:
            beta, fit = best_beta(val.plain_heat[frames], truth)
            say(f"beta {beta:g}: mean IoU {fit:.3f} with {len(frames)} marked validation frames")
    return BoxRule(beta, config.smallest, config.largest, config.faintest)


def single_sources(evidence: Evidence) -> tuple[Tensor, np.ndarray]:
    """Audible frames with exactly one marked source, (F,) numbers, and its boxes (F, 4)."""
    things = evidence.things
    sounding = np.flatnonzero(things.sounding)
    counts = np.bincount(things.frame[sounding], minlength=len(evidence))
    usable = (counts == 1) & evidence.audible.numpy() & evidence.known.numpy()
    rows = sounding[usable[things.frame[sounding]]]
    return torch.from_numpy(things.frame[rows]), things.box[rows]


def _cluster(evidence: Evidence, inputs: Sight, rows: Tensor, config: AvdetConfig) -> Clustering:
    return self_label(
        inputs.heard(evidence.embedding[rows]),
        evidence.place[rows].float(),
        evidence.example[rows],
        clusters=config.clusters,
        heads=config.heads,
        rounds=config.rounds,
        sharpness=config.sharpness,
        spread=config.spread,
    )


def _labelled(val: Evidence, inputs: Sight, clustering: Clustering) -> tuple[Tensor, tuple[str, ...]]:
    """Clusters (M,) and M labels of the validation frames in which something is heard that has a label."""
    audible = val.audible.tolist()
    rows = [row for row, label in enumerate(val.label) if label and audible[row]]
    clusters = clustering.of(inputs.heard(val.embedding[rows]), val.place[rows].float())
    return clusters, tuple(val.label[row] for row in rows)


def _lessons(evidence: Evidence, boxes: Tensor, chosen: Tensor, label: Tensor) -> Moment:
    """Every view in which a box (R, 4) is plausible is a picture of its own."""
    class_of = torch.full((len(evidence),), -1)
    class_of[chosen] = label
    rows = ((class_of[evidence.frame] >= 0) & ~boxes.isnan().any(1)).nonzero()[:, 0]
    return {
        "seen": evidence.seen[rows],
        "boxes": boxes[rows, None],
        "classes": class_of[evidence.frame[rows], None],
    }


def _judged(val: Evidence, rule: BoxRule) -> Moment:
    """Validation frames with the marked things, and the others with the boxes that heat gives them."""
    boxes = heat_boxes(val.plain_heat, rule)
    guessed = ~val.known.numpy() & ~np.isnan(boxes).any(1) & val.audible.numpy()
    chosen = val.known.numpy() | guessed
    if not chosen.any():
        raise CacheError(
            "no validation frame is marked or gives a plausible box: add clips whose sources are in sight"
        )
    things = val.things.of(chosen)
    most = max(1, int(np.bincount(things.frame, minlength=1).max(initial=0)))
    truth = torch.full((int(chosen.sum()), most, 4), torch.nan)
    sounds = torch.zeros(truth.shape[:2], dtype=torch.bool)
    filled = np.zeros(len(truth), np.int64)
    for frame, box, sounding in zip(things.frame, things.box, things.sounding, strict=True):
        truth[frame, filled[frame]] = torch.from_numpy(box)
        sounds[frame, filled[frame]] = bool(sounding)
        filled[frame] += 1
    truth[torch.from_numpy(guessed[chosen]), 0] = torch.from_numpy(boxes[guessed])
    rows = val.plain[torch.from_numpy(chosen)]
    return {
        "seen": val.seen[rows],
        "heat": val.heat[rows],
        "truth": truth,
        "sounds": sounds,
        "marked": torch.from_numpy(~guessed[chosen]),
    }
