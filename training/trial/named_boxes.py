"""What a trial of names measures on: things in the boxes that a detector finds, named as they are served."""

from __future__ import annotations

import numpy as np
import torch

from app.inference.bundle import Bundle
from app.pipeline.boxes import iou, mean_inside
from app.pipeline.detect import detect
from training.cache.reading import Cache
from training.methods.avdet.evidence import things_in
from training.trial.middle import middle_frames
from training.trial.named import NamedThings, Row, together
from training.trial.named_rules import meaning_of

LEAST_IOU = 0.3  # of a box with the thing that it shows
_ARRAYS = ("tokens", "class_map", "embedding", "events", "boxes", "box_sounding")


def found_things(cache: Cache, name: str, bundle: Bundle) -> tuple[NamedThings | None, int]:
    """Of each example the one box that is said to sound in the judged frame in the middle, if there is one.

    Returns:
        Of these boxes those that show a thing which sounds and whose meaning is known, None without any; and
        how many boxes there are.

    Raises CacheError: the cache lacks class maps or boxes.
    """
    cache.need_class_maps(name)
    threshold = bundle.detector.sounding.threshold
    rows: list[Row] = []
    n_boxes = 0
    for one in middle_frames(cache, _ARRAYS):
        tokens, class_map, embedding, events = (one.arrays[key].float().numpy() for key in _ARRAYS[:4])
        heat, _ = bundle.localize(tokens, class_map, events, embedding)
        (found,) = detect(bundle, tokens, class_map, heat)
        sounding = [each for each in found if each.sounding >= threshold]
        if len(sounding) != 1:
            continue
        n_boxes += 1
        box = np.array([sounding[0].box])
        boxes, sounds = (one.arrays[key] for key in _ARRAYS[4:])
        shown = [
            (float(iou(box, true[None])[0, 0]), label, does)
            for _, true, label, does in things_in(boxes, sounds, one.things, start=0)
        ]
        overlap, label, does = max(shown, default=(0.0, "", False))
        meaning = meaning_of(label)
        if overlap < LEAST_IOU or not does or meaning is None:
            continue
        looks = torch.from_numpy(mean_inside(class_map, box)[0])
        heard = torch.from_numpy(events[0])
        rows.append((looks, heard, sounding[0].label, meaning, True, one.example, one.group))
    return (together(rows, name) if rows else None), n_boxes
