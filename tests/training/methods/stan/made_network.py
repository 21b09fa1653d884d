"""Tiny networks and clips of random numbers."""

from __future__ import annotations

import torch
from torch.nn import functional

from training.methods.stan.network import Clips, Masks, SpaceTime

N, STEPS, CELLS, SEEN, SOUND, EVENTS, HEADS, SPACE = 2, 4, 6, 7, 5, 3, 2, 4


def random_network(seed: int = 0) -> SpaceTime:
    """A network in which no number is what it is before training."""
    torch.manual_seed(seed)
    names = functional.normalize(torch.randn(EVENTS, SPACE), dim=1)
    network = SpaceTime(SEEN, SOUND, names, heads=HEADS, width=4)
    with torch.no_grad():
        for part in (*network.parameters(), *network.buffers()):
            part.add_(0.5 * torch.randn_like(part))
        network.prior.abs_()
    return network


def random_clips(n: int = N, *, seed: int = 1, steps: int = STEPS) -> Clips:
    """Clips all of whose steps are there."""
    torch.manual_seed(seed)
    return Clips(
        seen=torch.randn(n, steps, CELLS, SEEN),
        heard=torch.randn(n, steps, SOUND),
        told=torch.randn(n, steps, EVENTS),
        heat=torch.rand(n, steps, CELLS),
        there=torch.ones(n, steps, dtype=torch.bool),
    )


def random_masks(n: int = N, *, seed: int = 2, blurred: float = 0.0, silent: float = 0.0) -> Masks:
    """Masks that hide half of everything."""
    torch.manual_seed(seed)
    return Masks(
        cells=(torch.rand(n, STEPS, CELLS) < 0.5).float(),
        steps=(torch.rand(n, STEPS) < 0.5).float(),
        blurred=torch.full((n,), blurred),
        silent=torch.full((n,), silent),
    )


def all_shown(n: int = N, steps: int = STEPS) -> Masks:
    return Masks(torch.ones(n, steps, CELLS), torch.ones(n, steps), torch.zeros(n), torch.zeros(n))
