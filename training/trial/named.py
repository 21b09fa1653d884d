"""What a trial of names measures on: things in their true boxes, and what is seen and heard of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.pipeline.boxes import iou, mean_inside
from training.cache.index import CacheError
from training.cache.reading import Cache
from training.methods.avdet.evidence import things_in
from training.methods.avdet.module import Avdet
from training.trial.middle import middle_frames
from training.trial.named_rules import Meaning, meaning_of

_ARRAYS = ("tokens", "class_map", "events", "boxes", "box_sounding")

# Looks, what is heard, the detector's label, the meaning, whether it sounds, its frame, and its group.
Row = tuple[Tensor, Tensor, str, Meaning, bool, int, str]


@dataclass(frozen=True, slots=True)
class NamedThings:
    """B things whose meaning is known, in one frame of each example.

    Attributes:
        name: of the cache's directory.
        looks: (B, 1000) mean class map inside the box.
        heard: (B, 521) scores of the events around the frame.
        detected: B labels that a detector gives them.
        meanings: B.
        sounding: (B,) bool, whether it makes the sound.
        frames: (B,) number of its frame.
        groups: (B,) number of the video or scene that each is from: the unit of resampling.
    """

    name: str
    looks: Tensor
    heard: Tensor
    detected: tuple[str, ...]
    meanings: tuple[Meaning, ...]
    sounding: np.ndarray
    frames: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.meanings)

    def of(self, chosen: np.ndarray) -> NamedThings:
        """Those that are chosen, (B,) bool."""
        rows = np.flatnonzero(chosen)
        return NamedThings(
            self.name,
            self.looks[rows],
            self.heard[rows],
            tuple(self.detected[row] for row in rows),
            tuple(self.meanings[row] for row in rows),
            self.sounding[rows],
            self.frames[rows],
            self.groups[rows],
        )


@torch.no_grad()
def named_things(cache: Cache, name: str, detector: Avdet) -> NamedThings:
    """Of each example the marked things in the judged frame in the middle.

    The detector's label is that of the cell whose box fits the true one best, however sure it is.

    Raises CacheError: there is no thing whose meaning is known, or the cache lacks class maps or boxes.
    """
    cache.need_class_maps(name)
    rows: list[Row] = []
    for one in middle_frames(cache, _ARRAYS):
        tokens, class_map, heard = (one.arrays[key].float() for key in _ARRAYS[:3])
        boxes, sounds = (one.arrays[key] for key in _ARRAYS[3:])
        answers = detector(tokens, class_map)
        labels = answers.classes[0].argmax(1)
        for frame, box, label, sounding in things_in(boxes, sounds, one.things, start=one.example):
            meaning = meaning_of(label)
            if meaning is None:
                continue
            detected = detector.names[int(labels[best_cell(answers.boxes[0], box)])]
            looks = torch.from_numpy(mean_inside(class_map.numpy(), box[None])[0])
            rows.append((looks, heard[0], detected, meaning, sounding, frame, one.group))
    if not rows:
        raise CacheError(f"{name} has no thing in a marked box whose names are known")
    return together(rows, name)


def together(rows: list[Row], name: str) -> NamedThings:
    """Things, at least one, from what is known of each."""
    all_looks, all_heard, called, meanings, all_sounding, frames, groups = zip(*rows, strict=True)
    return NamedThings(
        name,
        torch.stack(all_looks),
        torch.stack(all_heard),
        called,
        meanings,
        np.array(all_sounding),
        np.array(frames),
        np.unique(groups, return_inverse=True)[1],
    )


def best_cell(boxes: Tensor, box: np.ndarray) -> int:
    """Which of the boxes (L, 4) overlaps a box (4,) most by IoU."""
    clipped = boxes.clamp(0, 1).numpy()
    usable = np.flatnonzero((clipped[:, 2:] > clipped[:, :2]).all(1))
    return int(usable[iou(clipped[usable], box[None])[:, 0].argmax()])
