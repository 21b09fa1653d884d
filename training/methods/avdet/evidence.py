"""What AVDet learns from: frames of caches as the detector sees them, and where their sound comes from.

With them comes what is known of the things in sight, which is for validation only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from training.cache.reading import Cache
from training.evaluation.sounds import Localizer
from training.methods.moments import AUDIBLE
from training.methods.sight import Sight
from training.metrics.detection import Boxes

_ARRAYS = ("tokens", "embedding", "events", "boxes", "box_sounding", "judged")
_POOLED = 4  # power of the heat that a place counts with


@dataclass(frozen=True, slots=True)
class Things:
    """The B things that are known to be in sight, over all frames.

    Attributes:
        frame: (B,) number of the frame.
        box: (B, 4) normalised xyxy.
        label: B names.
        sounding: (B,) bool.
    """

    frame: np.ndarray
    box: np.ndarray
    label: tuple[str, ...]
    sounding: np.ndarray

    @property
    def boxes(self) -> Boxes:
        return Boxes.of_one_class(self.frame, self.box)

    def of(self, chosen: np.ndarray) -> Things:
        """Those of some frames: `chosen` (N,) bool. The frames are numbered anew."""
        kept = chosen[self.frame]
        return Things(
            (np.cumsum(chosen) - 1)[self.frame[kept]],
            self.box[kept],
            tuple(name for name, keep in zip(self.label, kept, strict=True) if keep),
            self.sounding[kept],
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """N frames in R views, of each frame the plain one first, in half precision.

    Attributes:
        seen: (R, G, G, C), scaled, see `Sight`.
        heat: (R, G, G) in [0, 1], where the localiser says that their sound comes from.
        frame: (R,) rising, the frame that a view shows.
        plain: (N,) the plain view of each frame.
        place: (N, C) mean token of the hot part of the plain view.
        looks: (N, 1000) mean class map of the hot part; empty if the caches have none.
        embedding, events: (N, Da) and (N, E), of the sound that was heard.
        audible: (N,) bool, whether anything is.
        example: (N,) number of the example in the cache.
        label: N names of what is heard; empty where the data do not say, or name several things.
        things: what is known to be in sight.
        known: (N,) bool, frames whose things, all or at least those that sound, are marked.
    """

    seen: Tensor
    heat: Tensor
    frame: Tensor
    plain: Tensor
    place: Tensor
    looks: Tensor
    embedding: Tensor
    events: Tensor
    audible: Tensor
    example: Tensor
    label: tuple[str, ...]
    things: Things
    known: Tensor

    def __len__(self) -> int:
        return len(self.plain)

    @property
    def plain_heat(self) -> np.ndarray:
        """(N, G, G) float32, the heat of the plain views."""
        return self.heat[self.plain].float().numpy()


def fit_inputs(inputs: Sight, cache: Cache, *, most: int = 400) -> None:
    """Take scales and basis from examples of a cache, spread evenly. Raises CacheError, as `gather`."""
    cache.need_class_maps()
    step = max(1, len(cache) // most)
    names = ("tokens", "class_map", "embedding")
    parts = [cache.arrays(index, names) for index in range(0, len(cache), step)]
    plain = (torch.cat([part[name][0] for part in parts]) for name in names[:2])
    inputs.fit(*plain, torch.cat([part["embedding"] for part in parts]))


@torch.no_grad()
def gather(
    cache: Cache,
    localize: Localizer,
    inputs: Sight,
    *,
    shuffle_seed: int | None = None,
    views: bool = True,
    title: str = "localising",
) -> Evidence:
    """Localise the sound of every frame of a cache, in each of its views.

    Args:
        cache: one split.
        localize: tokens, class maps, events and embeddings to heatmaps and presence.
        inputs: fitted.
        shuffle_seed: give each audible frame the sound of another one.
        views: take the augmented views, too.
        title: of the progress bar.

    Raises:
        CacheError: a cache is damaged, was made before caches held boxes, or lacks class maps.
    """
    cache.need_class_maps()
    names = (*_ARRAYS, "class_map")
    sounds = _sounds(cache, shuffle_seed)
    console = Console(stderr=True)
    indices = track(
        range(len(cache)), title, console=console, disable=not console.is_terminal, transient=True
    )
    parts: list[dict[str, Tensor]] = []
    things: list[tuple[int, np.ndarray, str, bool]] = []
    labels: list[str] = []
    start = rows = 0
    for index in indices:
        arrays = cache.arrays(index, names)
        kept = len(arrays["tokens"]) if views else 1
        count = arrays["tokens"].shape[1]
        heard = {key: part[start : start + count] for key, part in sounds.items()}
        parts.append(_encoded(arrays, heard, localize, inputs, kept))
        numbers = torch.arange(count)
        parts[-1] |= {
            "known": arrays["judged"],
            "frame": (start + numbers).repeat_interleave(kept),
            "plain": rows + kept * numbers,
        }
        parts[-1]["example"] = torch.full((count,), index)
        record = cache.record(index)
        labels += [record.facts.labels[0] if len(record.facts.labels) == 1 else ""] * count
        things += things_in(arrays["boxes"], arrays["box_sounding"], record.things, start=start)
        start += count
        rows += count * kept
    joined = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
    audible = sounds["events"].amax(1) >= AUDIBLE
    return Evidence(
        **joined,
        embedding=sounds["embedding"],
        events=sounds["events"],
        audible=audible,
        label=tuple(labels),
        things=listed(things),
    )


def _sounds(cache: Cache, shuffle_seed: int | None) -> dict[str, Tensor]:
    """Embedding and events of all frames; those of the audible ones exchanged if there is a seed."""
    parts = [cache.arrays(index, ("embedding", "events")) for index in range(len(cache))]
    sounds = {key: torch.cat([part[key] for part in parts]) for key in ("embedding", "events")}
    if shuffle_seed is not None:
        audible = (sounds["events"].amax(1) >= AUDIBLE).nonzero()[:, 0]
        generator = torch.Generator().manual_seed(shuffle_seed)
        order = torch.arange(len(sounds["events"]))
        order[audible] = audible[torch.randperm(len(audible), generator=generator)]
        sounds = {key: part[order] for key, part in sounds.items()}
    return sounds


def _encoded(
    arrays: dict[str, Tensor],
    heard: dict[str, Tensor],
    localize: Localizer,
    inputs: Sight,
    views: int,
) -> dict[str, Tensor]:
    tokens, classes = arrays["tokens"][:views], arrays["class_map"][:views]  # (V, T, ...)
    shape = tokens.shape[:2]
    heard = {key: part.float().repeat(views, 1).numpy() for key, part in heard.items()}
    maps, _ = localize(
        tokens.flatten(0, 1).float().numpy(),
        classes.flatten(0, 1).float().numpy(),
        heard["events"],
        heard["embedding"],
    )
    heat = torch.from_numpy(maps).unflatten(0, shape)
    seen = inputs.seen(tokens, classes)  # (V, T, ...)
    plain = heat[0]
    at_classes = torch.nn.functional.interpolate(plain[:, None], classes.shape[2:4], mode="bilinear")[:, 0]
    return {
        "seen": seen.half().transpose(0, 1).flatten(0, 1),
        "heat": heat.half().transpose(0, 1).flatten(0, 1),
        "place": _pooled(seen[0], plain).half(),
        "looks": _pooled(classes[0].float(), at_classes).half(),
    }


def _pooled(maps: Tensor, heat: Tensor) -> Tensor:
    """(T, C): mean of maps (T, H, W, C) where heat (T, H, W) is high; of the whole where it is dark."""
    weight = (heat / heat.amax((1, 2), keepdim=True).clamp(min=1e-6)) ** _POOLED + 1e-4
    return (maps * weight[..., None]).sum((1, 2)) / weight.sum((1, 2))[:, None]


def things_in(
    boxes: Tensor, sounding: Tensor, names: tuple[str, ...], *, start: int
) -> Iterator[tuple[int, np.ndarray, str, bool]]:
    """Frame, box, name and whether it sounds of what is seen in frames that are numbered from `start`.

    Args:
        boxes, sounding: (T, K, 4) and (T, K), as a cache has them.
        names: K of them.
    """
    for frame, thing in (~boxes.isnan().any(2)).nonzero().tolist():
        yield start + frame, boxes[frame, thing].numpy().copy(), names[thing], bool(sounding[frame, thing])


def listed(things: list[tuple[int, np.ndarray, str, bool]]) -> Things:
    """What `things_in` gave, together."""
    return Things(
        np.array([thing[0] for thing in things], np.int64),
        np.array([thing[1] for thing in things], np.float32).reshape(-1, 4),
        tuple(thing[2] for thing in things),
        np.array([thing[3] for thing in things], np.bool_),
    )
