"""What a trial of detectors measures on: one frame of each example whose things are marked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.cache.index import CacheError
from training.cache.reading import Cache
from training.evaluation.sounds import Localizer
from training.methods.avdet.evidence import Things, listed, things_in
from training.trial.middle import middle_frames

_BATCH = 32
_ARRAYS = ("tokens", "class_map", "events", "embedding", "boxes", "box_sounding")


@dataclass(frozen=True, slots=True)
class BoxedGallery:
    """N frames and the things in them.

    Attributes:
        name: of the cache's directory.
        tokens, class_map: (N, G, G, Dv) and (N, H, W, C) in half precision.
        heat: (N, G, G) in [0, 1] of a localiser that hears their sound; dark without any.
        groups: (N,) number of the video or scene that each is from: the unit of resampling.
        things: what is marked; `frame` counts along N.
    """

    name: str
    tokens: Tensor
    class_map: Tensor
    heat: np.ndarray
    groups: np.ndarray
    things: Things

    def __len__(self) -> int:
        return len(self.heat)

    @property
    def sounding(self) -> Things:
        """Those of the things that make the sound."""
        things, kept = self.things, self.things.sounding
        names = tuple(name for name, keep in zip(things.label, kept, strict=True) if keep)
        return Things(things.frame[kept], things.box[kept], names, things.sounding[kept])


def boxed_gallery(cache: Cache, name: str, localize: Localizer) -> BoxedGallery:
    """Of each example the judged frame in the middle.

    Raises CacheError: nothing is judged, or the cache lacks class maps or boxes.
    """
    cache.need_class_maps(name)
    frames: list[dict[str, Tensor]] = []
    things: list[tuple[int, np.ndarray, str, bool]] = []
    groups: list[str] = []
    for one in middle_frames(cache, _ARRAYS):
        shown = (one.arrays[key] for key in ("boxes", "box_sounding"))
        things += things_in(*shown, one.things, start=len(frames))
        frames.append({key: one.arrays[key].clone() for key in _ARRAYS[:4]})
        groups.append(one.group)
    if not frames:
        raise CacheError(f"{name} has no frame whose things are marked")
    stacked = {key: torch.cat([frame[key] for frame in frames]) for key in frames[0]}
    return BoxedGallery(
        name,
        stacked["tokens"],
        stacked["class_map"],
        _heat(stacked, localize),
        np.unique(groups, return_inverse=True)[1],
        listed(things),
    )


def _heat(frames: dict[str, Tensor], localize: Localizer) -> np.ndarray:
    parts = []
    for rows in torch.arange(len(frames["tokens"])).split(_BATCH):
        given = [frames[key][rows].float().numpy() for key in ("tokens", "class_map", "events", "embedding")]
        parts.append(localize(*given)[0])
    return np.concatenate(parts)
