"""The arms of a trial of detectors: what they find in the frames of a gallery."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from app.pipeline.detect import heat_overlap, sounding_of
from training.detector.shipped import sounding_as_served
from training.methods.avdet.boxes import USUAL_BETA, BoxRule, heat_boxes
from training.methods.avdet.module import Avdet, Found, joined
from training.methods.avdet.running import Request, train
from training.methods.saliency import saliency
from training.trial.boxed import BoxedGallery
from training.trial.runs import best_checkpoint

_BATCH = 64

TRAINED, WITH_SOUND = "AVDet", "AVDet, boxes that sound"
SHUFFLED_AUDIO, SHUFFLED_LABELS = "trained on shuffled audio", "trained on shuffled labels"
HEAT_BOX, SALIENCY_BOX = "box of the heatmap, hears", "box of the saliency"
CENTRE, WHOLE = "centred box, half the area", "whole image"


@dataclass(frozen=True, slots=True)
class BoxedArm:
    """A row of a trial: what is found under each seed."""

    name: str
    found: list[Found]


def trained_detector(request: Request, *, say: Callable[[str], None]) -> Path:
    """The checkpoint of the best epoch. Raises what `training.methods.avdet.running.train` raises."""
    return best_checkpoint(request.run, lambda run: train(replace(request, run=run), say=say).fitted, say=say)


def learned_arms(
    gallery: BoxedGallery, trained: Sequence[Avdet], audio: Sequence[Avdet], labels: Sequence[Avdet]
) -> list[BoxedArm]:
    """Rows of AVDet, alone and with the sound, and of its two controls."""
    own = [find(detector, gallery) for detector in trained]
    heard = [with_sound(found, detector, gallery) for found, detector in zip(own, trained, strict=True)]
    return [
        BoxedArm(TRAINED, own),
        BoxedArm(WITH_SOUND, heard),
        BoxedArm(SHUFFLED_AUDIO, [find(detector, gallery) for detector in audio]),
        BoxedArm(SHUFFLED_LABELS, [find(detector, gallery) for detector in labels]),
    ]


def find(detector: Avdet, gallery: BoxedGallery) -> Found:
    """What a detector finds in the frames of a gallery."""
    parts, counts = [], []
    for tokens, class_map in zip(gallery.tokens.split(_BATCH), gallery.class_map.split(_BATCH), strict=True):
        parts.append(detector.find(detector.inputs.seen(tokens, class_map)))
        counts.append(len(tokens))
    return joined(parts, counts)


def with_sound(found: Found, detector: Avdet, gallery: BoxedGallery) -> Found:
    """The same with scores times the probability that a box sounds: by looks and sound together."""
    sounding = sounding_as_served(detector)
    score = found.score.copy()
    for frame in np.unique(found.frame):
        rows = found.frame == frame
        boxes = found.box[rows].astype(np.float32)
        score[rows] *= sounding_of(heat_overlap(boxes, gallery.heat[frame]), sounding)
    return found._replace(score=score)


def fixed_arms(gallery: BoxedGallery) -> list[BoxedArm]:
    """Boxes that nothing was trained for: around heat, around saliency, and around nothing."""
    rule = BoxRule(USUAL_BETA)
    deaf = saliency(gallery.tokens.float()).numpy()
    n = len(gallery)
    side = 0.5**0.5 / 2
    centred = np.tile(np.array([0.5 - side, 0.5 - side, 0.5 + side, 0.5 + side], np.float32), (n, 1))
    whole = np.tile(np.array([0, 0, 1, 1], np.float32), (n, 1))
    return [
        BoxedArm(HEAT_BOX, [_one_each(heat_boxes(gallery.heat, rule), gallery.heat.max((1, 2)))]),
        BoxedArm(SALIENCY_BOX, [_one_each(heat_boxes(deaf, rule), deaf.max((1, 2)))]),
        BoxedArm(CENTRE, [_one_each(centred, np.ones(n, np.float32))]),
        BoxedArm(WHOLE, [_one_each(whole, np.ones(n, np.float32))]),
    ]


def _one_each(boxes: np.ndarray, score: np.ndarray) -> Found:
    frames = np.flatnonzero(~np.isnan(boxes).any(1))
    return Found(frames, boxes[frames], score[frames], torch.zeros(len(frames), dtype=torch.int64).numpy())
