"""The guided localiser: a calibrated heatmap without any audio-visual training.

What is heard (audio events) selects what to look for (visual classes and people); a dense class map and a
person probe say where that is; the affinity of the visual tokens sharpens it; small networks turn the
evidence into a probability at each cell. All of it is one graph, `localize.onnx`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from training.guided.bridge import NOISE_EVENTS, Bridge, load_bridge
from training.guided.calibrator import GRID, Calibrator

SHARP, BROAD = 0.05, 0.08  # temperatures of the token affinity
GATE = 0.06  # visual evidence below this dims the map: nothing that fits the sound is in sight
PERSON_WEIGHTS = Path(__file__).with_name("person.safetensors")
CALIBRATOR_WEIGHTS = Path(__file__).with_name("calibrator.safetensors")


class Hearing(nn.Module):
    """Audio events to activations of concepts."""

    sure: Tensor
    near: Tensor
    thresholds: Tensor
    lookalike: Tensor
    members: Tensor
    specific: Tensor

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        as_tensor = torch.from_numpy
        self.register_buffer("sure", as_tensor(bridge.sure))
        self.register_buffer("near", as_tensor(bridge.near))
        self.register_buffer("thresholds", as_tensor(bridge.thresholds))
        self.register_buffer("lookalike", as_tensor(bridge.lookalike))
        members = torch.stack([as_tensor(family.member) for family in bridge.families])
        generic = torch.stack([as_tensor(family.generic) for family in bridge.families])
        links = as_tensor(bridge.sure).amax(1) >= 1
        self.register_buffer("members", members.float())  # (F, E)
        self.register_buffer("specific", (members & ~generic & links).float())  # (F, E)

    def forward(self, events: Tensor) -> Tensor:
        """(N, E) scores in [0, 1] to (N, C) activations in [0, 1]."""
        heard = torch.where(events > self.thresholds, events, torch.zeros_like(events))
        named = (heard[:, None] * self.specific).amax(2)  # (N, F): the surest specific event of each family
        room = 1 - (named[:, :, None] * self.members).amax(1)  # (N, E): what a near event may still claim
        sure = (heard[:, :, None] * self.sure).amax(1)
        near = ((heard * room)[:, :, None] * self.near).amax(1)
        active = torch.maximum(sure, near)
        return torch.maximum(active, (active[:, :, None] * self.lookalike).amax(1))


class PersonProbe(nn.Module):
    """Visual tokens to the probability that a cell shows a person, and a head."""

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int = 384, hidden: int = 64) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.layers = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(0.1), nn.Linear(hidden, 2)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L, 384) to logits (N, L, 2)."""
        out: Tensor = self.layers((tokens - self.mean) / self.scale)
        return out


def squash(value: Tensor) -> Tensor:
    """Log scale for evidence: about -1.6 at 0 and 1 at 1."""
    return torch.log(value + 0.005) / 2 + 1


class Evidence(nn.Module):
    """Everything known about each cell before calibration."""

    looks: Tensor

    def __init__(self, bridge: Bridge, person: PersonProbe) -> None:
        super().__init__()
        self.hearing = Hearing(bridge)
        self.person = person
        self.register_buffer("looks", torch.from_numpy(bridge.looks))

    def forward(self, tokens: Tensor, class_map: Tensor, events: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, L, 17) and the strongest visual evidence (N,), L = 16 * 16 cells."""
        n = tokens.shape[0]
        active = self.hearing(events)  # (N, C)
        wanted = (active[:, :-2, None] * self.looks[:-2]).amax(1)  # (N, 1000)
        seen = (class_map.reshape(n, -1, class_map.shape[3]) @ wanted[:, :, None]).reshape(
            n, 1, class_map.shape[1], class_map.shape[2]
        )
        seen = nn.functional.interpolate(seen, (GRID, GRID), mode="bilinear", align_corners=False)
        flat = tokens.reshape(n, GRID * GRID, -1)
        people = torch.sigmoid(self.person(flat))  # (N, L, 2)
        z = seen.reshape(n, -1) + (people * active[:, None, -2:]).sum(2)
        z = z.clamp(0, 1)
        noise = events[:, NOISE_EVENTS].amax(1, keepdim=True)
        return self._features(flat, z, people, active, noise), z.amax(1)

    def _features(self, flat: Tensor, z: Tensor, people: Tensor, active: Tensor, noise: Tensor) -> Tensor:
        n = flat.shape[0]
        unit = flat / (torch.linalg.vector_norm(flat, dim=2, keepdim=True) + 1e-6)
        similarity = unit @ unit.transpose(1, 2)  # (N, L, L)
        sharp = torch.softmax(similarity / SHARP, 2)
        broad = torch.softmax(similarity / BROAD, 2)
        m = (sharp @ z[:, :, None])[:, :, 0]
        m2 = (broad @ (broad @ z[:, :, None]))[:, :, 0]
        peak = m.amax(1, keepdim=True) + 1e-6
        r = m / peak
        inside, outside = r**4 + 1e-6, (1 - r) ** 4 + 1e-6  # anything smaller is dropped in export
        like_inside = _likeness(unit, inside)
        like_outside = _likeness(unit, outside)
        box = nn.functional.avg_pool2d(r.reshape(n, 1, GRID, GRID), 5, stride=1, padding=2).reshape(n, -1)
        per_cell = (
            r,
            m2 / (m2.amax(1, keepdim=True) + 1e-6),
            z / (z.amax(1, keepdim=True) + 1e-6),
            squash(m),
            squash(m2),
            2 * (like_inside - like_outside),
            like_inside,
            box,
            people[:, :, 0],
            people[:, :, 1],
        )
        per_frame = (
            squash(peak),
            squash(z.amax(1, keepdim=True)),
            m.mean(1, keepdim=True) / peak,
            active.amax(1, keepdim=True),
            active[:, -2:].amax(1, keepdim=True),
            (r > 0.5).float().mean(1, keepdim=True),
            noise,
        )
        return torch.stack([*per_cell, *(value.expand_as(r) for value in per_frame)], 2)


def _likeness(unit: Tensor, weight: Tensor) -> Tensor:
    """(N, L): how alike each token is to the weighted mean of the tokens."""
    centre = (unit * weight[:, :, None]).sum(1) / weight.sum(1, keepdim=True)
    return (unit @ centre[:, :, None])[:, :, 0]


class GuidedLocalizer(nn.Module):
    """The whole head: `forward(tokens, class_map, events) -> (heatmap, presence)`.

    Shapes: tokens (N, 16, 16, 384), class_map (N, H, W, 1000) softmax, events (N, 521) in [0, 1];
    heatmap (N, 16, 16) in [0, 1], presence (N,) in [0, 1], which is the maximum of the map.
    """

    def __init__(self, evidence: Evidence, calibrator: Calibrator) -> None:
        super().__init__()
        self.evidence = evidence
        self.calibrator = calibrator

    def forward(self, tokens: Tensor, class_map: Tensor, events: Tensor) -> tuple[Tensor, Tensor]:
        features, strongest = self.evidence(tokens, class_map, events)
        gate = (strongest / GATE).clamp(0, 1)
        heat = self.calibrator(features, tokens.flatten(1, 2)) * gate[:, None]
        return heat.reshape(-1, GRID, GRID), heat.amax(1)


def load_localizer() -> GuidedLocalizer:
    """The localiser with the committed weights, in evaluation mode."""
    person, calibrator = PersonProbe(), Calibrator()
    person.load_state_dict(load_file(PERSON_WEIGHTS))
    calibrator.load_state_dict(load_file(CALIBRATOR_WEIGHTS))
    return GuidedLocalizer(Evidence(load_bridge(), person), calibrator).eval()
