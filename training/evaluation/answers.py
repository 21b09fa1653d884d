"""Runs a localiser over frames and sounds in every combination that a report needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.features import Floats, Localizer

Picture = tuple[Floats, Floats]  # tokens (G, G, Dv) and class map (H, W, C)


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers for each of n pictures under each of K sounds.

    Attributes:
        heatmaps: (n, K, G, G) float32.
        presence: (n, K) float32.
    """

    heatmaps: Floats
    presence: Floats


def answer_each(localize: Localizer, pictures: Sequence[Picture], sounds: Floats, *, batch: int) -> Answers:
    """Every picture under every sound.

    Args:
        localize: see `Localizer`.
        pictures: n of them.
        sounds: (K, E) events.
        batch: maps computed at once.
    """
    rows = [_answer(localize, picture, sounds, batch) for picture in pictures]
    return Answers(np.stack([row.heatmaps for row in rows]), np.stack([row.presence for row in rows]))


def answer_own(localize: Localizer, pictures: Sequence[Picture], sounds: Floats, *, batch: int) -> Answers:
    """Each picture under its own sound, row by row of `sounds` (n, E). K is 1 in the answers."""
    rows = [
        _answer(localize, picture, sound[None], batch)
        for picture, sound in zip(pictures, sounds, strict=True)
    ]
    return Answers(np.stack([row.heatmaps for row in rows]), np.stack([row.presence for row in rows]))


def _answer(localize: Localizer, picture: Picture, sounds: Floats, batch: int) -> Answers:
    heatmaps, presences = [], []
    for start in range(0, len(sounds), batch):
        heard = np.ascontiguousarray(sounds[start : start + batch], np.float32)
        tokens, class_map = (
            np.repeat(np.asarray(part, np.float32)[None], len(heard), axis=0) for part in picture
        )
        heatmap, presence = localize(tokens, class_map, heard)
        heatmaps.append(np.asarray(heatmap, np.float32))
        presences.append(np.asarray(presence, np.float32).reshape(-1))
    return Answers(np.concatenate(heatmaps), np.concatenate(presences))
