"""How faithful explanations are, clip by clip: hiding and showing parts, random weights, another sound."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from app.pipeline.perturbation import Areas, areas, shown_parts
from training.methods.stan.module import Stan
from training.methods.stan.scenes import Scene
from training.trial.attributions import one_event, picture_maps, sound_maps
from training.trial.explained import Explained, explained

BASELINES = {"mean of all": 0.0, "blurred, silent": 1.0}
_SEED = 5


@dataclass(frozen=True, slots=True)
class Faithful:
    """What was measured of one clip.

    Attributes:
        picture, sound: name of the method and of the baseline to areas below the curves of the probability.
        whole, without_picture, without_sound: probabilities of the event.
        random_weights: rank correlation of `where` with that of a network with random weights; NaN if one of
            them is even.
        moved: half the summed change of `where` when another sound is heard; NaN without another.
    """

    picture: dict[tuple[str, str], Areas]
    sound: dict[tuple[str, str], Areas]
    whole: float
    without_picture: float
    without_sound: float
    random_weights: float
    moved: float


def faithful(stan: Stan, untaught: Stan, answer: Explained, other: Scene | None) -> Faithful:
    """Measure the explanation of one clip.

    Args:
        stan, untaught: the network, and the same with random weights.
        other: the clip with another sound.
    """
    clips, event = answer.clips, torch.tensor(answer.event)
    n_steps, n_cells = clips.heat.shape[1:]
    rng = np.random.default_rng(_SEED)

    def by_cells(masks: np.ndarray, baseline: float) -> np.ndarray:
        cells = torch.from_numpy(masks).unflatten(1, (n_steps, n_cells))
        with torch.no_grad():
            return one_event(stan, clips, event, cells=cells, baseline=baseline).sigmoid().numpy()

    def by_steps(masks: np.ndarray, baseline: float) -> np.ndarray:
        with torch.no_grad():
            logits = one_event(stan, clips, event, steps=torch.from_numpy(masks), baseline=baseline)
        return logits.sigmoid().numpy()

    picture: dict[tuple[str, str], Areas] = {}
    for name, weights in picture_maps(stan, answer).items():
        masks = shown_parts(weights.flatten().numpy(), rng)
        picture |= {(name, at): areas(by_cells(masks, value)) for at, value in BASELINES.items()}
    sound: dict[tuple[str, str], Areas] = {}
    for name, weights in sound_maps(stan, answer).items():
        masks = shown_parts(weights.numpy(), rng)
        sound |= {(name, at): areas(by_steps(masks, value)) for at, value in BASELINES.items()}
    shown = by_cells(np.array([[1], [0]], np.float32).repeat(n_steps * n_cells, 1), 0.0)
    silent = by_steps(np.zeros((1, n_steps), np.float32), 0.0)
    return Faithful(
        picture,
        sound,
        *shown.tolist(),
        float(silent[0]),
        _alike(where_of(stan, answer), where_of(untaught, explained(untaught, answer.scene), answer.event)),
        float("nan") if other is None else _moved(stan, answer, other),
    )


@torch.no_grad()
def where_of(stan: Stan, answer: Explained, event: int | None = None) -> Tensor:
    """(T, U) map of an event, of that of the clip if none is given."""
    chosen = torch.tensor(answer.event if event is None else event)
    return stan.maps(answer.clips, answer.attention, chosen)[2]


def randomised(stan: Stan, seed: int) -> Stan:
    """A copy with random weights: the numbers of every matrix in random order, and the few that weigh whole
    terms as before training (Adebayo et al., NeurIPS 2018, randomise weights in these two ways)."""
    other = copy.deepcopy(stan)
    trained = {name: part.detach().clone() for name, part in other.network.named_parameters()}
    other.network.reset()
    generator = torch.Generator().manual_seed(seed)
    for name, part in other.network.named_parameters():
        if part.dim() > 1:
            _shuffle(part, trained[name], generator)
    return other


@torch.no_grad()
def _shuffle(part: nn.Parameter, trained: Tensor, generator: torch.Generator) -> None:
    flat = trained.flatten()
    part.copy_(flat[torch.randperm(len(flat), generator=generator)].view_as(part))


def _alike(first: Tensor, second: Tensor) -> float:
    if any(bool((part == part.flatten()[0]).all()) for part in (first, second)):
        return float("nan")  # an even map, of a picture that speaks against the event, has no ranks
    return float(spearmanr(first.flatten().numpy(), second.flatten().numpy()).statistic)


def _moved(stan: Stan, answer: Explained, other: Scene) -> float:
    own = where_of(stan, answer)
    swapped = where_of(stan, explained(stan, other), answer.event)
    return float((own - swapped).abs().sum() / 2)
