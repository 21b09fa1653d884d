"""Clips as STAN sees and hears them, from caches: a window of steps, and which events are seen and heard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.utils.data import Dataset

from training.cache.index import CacheError
from training.cache.moments import Moment
from training.cache.reading import Cache
from training.data.examples import Facts
from training.evaluation.sounds import Localizer
from training.methods.stan.perception import Perception

_ARRAYS = (
    "tokens",
    "class_map",
    "embedding",
    "events",
    "window",
    "cover",
    "boxes",
    "box_sounding",
    "times_s",
)
_FEWEST_STEPS = 2


@dataclass(frozen=True, slots=True)
class Scene:
    """One clip of T steps, of which the last may be padding. Floats are in half precision.

    Attributes:
        seen: (T, U, C), heat: (T, U), heard: (T, A), told: (T, E): as in `network.Clips`.
        there: (T,) bool.
        presence: (T,) in [0, 1]: whether a source of the sound is in sight; known, or from the localiser.
        events: (E,) in [0, 1]: the audio-visual events, what is heard while its source is in sight.
        cover: (T, U) in [0, 1], share of each cell in the sources of what is heard; only if `known`.
        boxes: (T, K, 4) and box_sounding (T, K): of the K things that are known, NaN where not in sight.
        labels: K names.
        known: whether the things are marked at every step.
        timed: whether `box_sounding` says when they sound, even if not where they are.
        times_s: (T,).
        example: number of the example in the cache.
    """

    seen: Tensor
    heat: Tensor
    heard: Tensor
    told: Tensor
    there: Tensor
    presence: Tensor
    events: Tensor
    cover: Tensor
    boxes: Tensor
    box_sounding: Tensor
    labels: tuple[str, ...]
    known: bool
    timed: bool
    times_s: Tensor
    example: int


@torch.no_grad()
def gather_scenes(
    cache: Cache, localize: Localizer, perception: Perception, *, title: str = "localising"
) -> list[Scene]:
    """Every example of a cache that has sound, in its order.

    Raises:
        CacheError: a cache is damaged or lacks class maps, or nothing in it has sound.
    """
    cache.need_class_maps()
    console = Console(stderr=True)
    quiet = not console.is_terminal
    usable = [
        index
        for index in range(len(cache))
        if cache.record(index).has_sound and cache.record(index).n_frames >= _FEWEST_STEPS
    ]
    if not usable:
        raise CacheError(
            "no example of the cache has sound and two frames: make it with a higher --max-frames"
        )
    return [
        _scene(cache, index, localize, perception)
        for index in track(usable, title, console=console, disable=quiet, transient=True)
    ]


def _scene(cache: Cache, index: int, localize: Localizer, perception: Perception) -> Scene:
    arrays, record = cache.arrays(index, _ARRAYS), cache.record(index)
    tokens, class_map = arrays["tokens"][0].float(), arrays["class_map"][0].float()
    events, embedding = arrays["events"].float(), arrays["embedding"].float()
    heat, presence = (
        torch.from_numpy(np.asarray(part, np.float32))
        for part in localize(tokens.numpy(), class_map.numpy(), events.numpy(), embedding.numpy())
    )
    known = len(record.judged) == record.n_frames and bool(record.things)
    if known:
        in_sight = ~arrays["boxes"].isnan().any(2)
        presence = (arrays["box_sounding"] & in_sight).any(1).float()
    seen = perception.see(tokens, class_map)
    heard, told = perception.hear(arrays["window"])
    boxes, sounding, labels = arrays["boxes"].clone(), arrays["box_sounding"].clone(), record.things
    span = None if labels else span_of(record.facts)
    if span is not None:
        times_s = arrays["times_s"]
        sounding = ((times_s >= span[0]) & (times_s < span[1]))[:, None]
        boxes, labels = torch.full((len(sounding), 1, 4), torch.nan), record.facts.labels[:1]
    return Scene(
        seen=seen.half(),
        heat=heat.flatten(1).half(),
        heard=heard.half(),
        told=told.half(),
        there=torch.ones(len(seen), dtype=torch.bool),
        presence=presence,
        events=audio_visual_events(told, presence),
        cover=arrays["cover"][0].flatten(1).clone(),
        boxes=boxes,
        box_sounding=sounding,
        labels=labels,
        known=known,
        timed=known or span is not None,
        times_s=arrays["times_s"].clone(),
        example=index,
    )


def span_of(facts: Facts) -> tuple[float, float] | None:
    """Start and end in seconds of the one event of an example, as AVE tells them."""
    onset_s, offset_s = facts.extra.get("onset_s"), facts.extra.get("offset_s")
    if onset_s is None or offset_s is None or not facts.labels:
        return None
    return float(onset_s), float(offset_s)


def audio_visual_events(told: Tensor, presence: Tensor) -> Tensor:
    """(E,) in [0, 1]: the highest score, over time, of what is heard (T, E logits) times presence (T,)."""
    return (told.float().sigmoid() * presence[:, None]).amax(0)


class Windows(Dataset[Moment]):
    """Scenes as batches, padded to the same number of steps; some of them again with the sound of another."""

    def __init__(self, scenes: list[Scene], swapped: list[Scene] | None = None) -> None:
        self.scenes = [*scenes, *(swapped or [])]

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Moment:
        return {name: part[0] for name, part in self.__getitems__([index]).items()}

    def __getitems__(self, indices: list[int]) -> Moment:
        """A batch of `seen`, `heat`, `heard`, `told`, `there`, `presence`, `cover`, `known` and `events`."""
        return batch_of([self.scenes[index] for index in indices])


def batch_of(scenes: list[Scene]) -> Moment:
    """Scenes stacked, those with fewer steps padded by zeros that are not `there`."""
    names = ("seen", "heat", "heard", "told", "there", "presence", "cover")
    batch = {
        name: torch.nn.utils.rnn.pad_sequence([getattr(scene, name) for scene in scenes], batch_first=True)
        for name in names
    }
    return {
        **batch,
        "events": torch.stack([scene.events for scene in scenes]),
        "known": torch.tensor([scene.known for scene in scenes]),
    }


@torch.no_grad()
def with_other_sounds(
    cache: Cache, scenes: list[Scene], localize: Localizer, share: float, generator: torch.Generator
) -> list[Scene]:
    """A share of the scenes with the sound of another: what is in sight then seldom makes what is heard.

    Their events are those that are heard in the other sound and are events of the scene itself, too.
    """
    order = torch.randperm(len(scenes), generator=generator)
    count = int(share * len(scenes))
    swapped = []
    for own, other in zip(order[:count].tolist(), order.roll(1)[:count].tolist(), strict=True):
        swapped.append(_with_sound(cache, scenes[own], scenes[other], localize))
    return swapped


def _with_sound(cache: Cache, scene: Scene, other: Scene, localize: Localizer) -> Scene:
    steps = len(scene.there)
    rows = torch.arange(steps) % len(other.there)
    picture = cache.arrays(scene.example, ("tokens", "class_map"))
    sound = cache.arrays(other.example, ("events", "embedding"))
    heat, _ = localize(
        picture["tokens"][0].float().numpy(),
        picture["class_map"][0].float().numpy(),
        sound["events"][rows].float().numpy(),
        sound["embedding"][rows].float().numpy(),
    )
    told = other.told[rows]
    heard = told.float().sigmoid().amax(0)
    return Scene(
        seen=scene.seen,
        heat=torch.from_numpy(np.asarray(heat, np.float32)).flatten(1).half(),
        heard=other.heard[rows],
        told=told,
        there=scene.there,
        presence=torch.zeros(steps),
        events=heard * scene.events,
        cover=torch.zeros_like(scene.cover),
        boxes=scene.boxes,
        box_sounding=torch.zeros_like(scene.box_sounding),
        labels=scene.labels,
        known=False,
        timed=False,
        times_s=scene.times_s,
        example=scene.example,
    )
