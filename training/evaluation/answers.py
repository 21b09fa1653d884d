"""Runs a localiser over a picture and the sounds that are played to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.evaluation.sounds import Floats, Localizer, Sounds

Picture = tuple[Floats, Floats]  # tokens (G, G, Dv) and class map (H, W, C), float32


@dataclass(frozen=True, slots=True)
class Answers:
    """What a localiser says to one picture under K sounds.

    Attributes:
        heatmaps: (K, G, G) float32.
        presence: (K,) float32.
    """

    heatmaps: Floats
    presence: Floats

    def part(self, start: int, stop: int) -> Answers:
        """The answers to the sounds from `start` to before `stop`."""
        return Answers(self.heatmaps[start:stop], self.presence[start:stop])


def answer(localize: Localizer, picture: Picture, sounds: Sounds, *, batch: int) -> Answers:
    """One picture under every sound, at most `batch` at once."""
    heatmaps, presences = [], []
    for start in range(0, len(sounds), batch):
        heard = sounds.take(slice(start, start + batch))
        tokens, class_map = (np.repeat(part[None], len(heard), axis=0) for part in picture)
        heatmap, presence = localize(tokens, class_map, heard.events, heard.embedding)
        heatmaps.append(np.asarray(heatmap, np.float32))
        presences.append(np.asarray(presence, np.float32).reshape(-1))
    return Answers(np.concatenate(heatmaps), np.concatenate(presences))
