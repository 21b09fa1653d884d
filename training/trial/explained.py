"""What a trial of explainers measures of each clip: what was recognised, where, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.methods.stan.module import Stan, clips_of
from training.methods.stan.network import Attention, Clips, Recognised
from training.methods.stan.scenes import Scene, batch_of
from training.trial.known_events import events_of

PARTIAL = 0.5
"""Share of the steps up to which a thing that sounds tells something about attention in time."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A clip as a network answers it.

    Attributes:
        clips: of one clip, and what the network says of it.
        event: its number, see `Stan.best_event`.
    """

    scene: Scene
    clips: Clips
    recognised: Recognised
    attention: Attention
    event: int


@torch.no_grad()
def explained(stan: Stan, scene: Scene) -> Explained:
    clips = clips_of(batch_of([scene]))
    recognised, attention = stan(clips)
    return Explained(scene, clips, recognised, attention, int(stan.best_event(recognised.logits[0])))


def sources(scene: Scene) -> list[int]:
    """Numbers of the things that sound at some time."""
    return [thing for thing in range(len(scene.labels)) if bool(scene.box_sounding[:, thing].any())]


def right_events(scene: Scene, names: Sequence[str]) -> set[int]:
    """Events that any source of a clip may be called."""
    return {event for thing in sources(scene) for event in events_of(scene.labels[thing], names)}


def recognised_rows(stan: Stan, answer: Explained) -> dict[str, bool]:
    """Whether the best event is one of what is seen and heard, by the network and by its parts; empty if the
    label means no event."""
    right = right_events(answer.scene, stan.events)
    if not right:
        return {}
    said = {
        "STAN": answer.recognised.logits[0],
        "its picture alone": answer.recognised.by_sight[0],
        "its sound alone": answer.recognised.by_sound[0],
        "audio teacher, highest score": answer.scene.told.float().amax(0),
    }
    return {name: int(stan.best_event(logits)) in right for name, logits in said.items()}


def where_rows(stan: Stan, answer: Explained) -> dict[str, bool]:
    """Pointing in the middle of the steps in which a source is marked: whether the highest cell hits it."""
    scene = answer.scene
    things = sources(scene)
    marked = scene.box_sounding[:, things] & ~scene.boxes[:, things].isnan().any(2)
    steps = marked.any(1).nonzero()[:, 0]
    if not len(steps):
        return {}
    step = int(steps[len(steps) // 2])
    boxes = scene.boxes[step, things][marked[step]]
    _, _, where = stan.maps(answer.clips, answer.attention, torch.tensor(answer.event))
    said = {
        "STAN": where[step],
        "attention in space alone": answer.attention.space[0, step].mean(0),
        "localiser": scene.heat[step].float(),
    }
    rows = {name: _inside(int(cells.argmax()), len(cells), boxes) for name, cells in said.items()}
    middle = torch.tensor([0.5, 0.5])
    return {**rows, "middle of the frame": bool(_holds(boxes, middle).any())}


def when_rows(stan: Stan, answer: Explained, names: Sequence[str]) -> list[tuple[dict[str, bool], Tensor]]:
    """For each source that sounds in at most `PARTIAL` of the steps: whether the highest step hits its time,
    and its time (T,) bool. The event is the network's own choice if one thing sounds, else the best one that
    only this thing raises. Of several steps that hear the same window the last one counts."""
    scene = answer.scene
    things = sources(scene)
    found = []
    for thing in things:
        sounding = scene.box_sounding[:, thing]
        if sounding.float().mean() > PARTIAL:
            continue
        event = answer.event if len(things) == 1 else _own_event(answer, thing, things, names)
        if event is None:
            continue
        when_audio, when_visual, _ = stan.maps(answer.clips, answer.attention, torch.tensor(event))
        said = {
            "attention to sound": when_audio,
            "attention to picture": when_visual,
            "audio teacher": scene.told[:, event].float(),
        }
        rows = {name: bool(sounding[_last_highest(steps)]) for name, steps in said.items()}
        found.append((rows, sounding))
    return found


def best_constant(times: Sequence[Tensor]) -> tuple[int, np.ndarray]:
    """The step that lies in most of the times (N, T), and in which it lies (N,) bool."""
    together = torch.stack(list(times)).numpy()
    step = int(together.mean(0).argmax())
    return step, together[:, step]


def _own_event(answer: Explained, thing: int, things: list[int], names: Sequence[str]) -> int | None:
    labels = answer.scene.labels
    others = {event for other in things if other != thing for event in events_of(labels[other], names)}
    own = [event for event in events_of(labels[thing], names) if event not in others]
    if not own:
        return None
    return own[int(answer.recognised.logits[0][own].argmax())]


def _last_highest(steps: Tensor) -> int:
    return int((steps >= steps.max() - 1e-6).nonzero()[-1, 0])


def _inside(cell: int, count: int, boxes: Tensor) -> bool:
    side = round(count**0.5)
    row, column = divmod(cell, side)
    return bool(_holds(boxes, torch.tensor([(column + 0.5) / side, (row + 0.5) / side])).any())


def _holds(boxes: Tensor, point: Tensor) -> Tensor:
    """(M,) bool: which boxes (M, 4) hold a point (2,)."""
    return (boxes[:, :2] <= point).all(1) & (boxes[:, 2:] >= point).all(1)
