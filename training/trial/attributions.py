"""Other explanations of the same network, to compare its own with: from captum, but for attention itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from training.methods.stan.module import Stan
from training.methods.stan.network import Clips, Masks
from training.trial.explained import Explained

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from captum.attr import InputXGradient, LayerGradCam, Occlusion

OWN = "STAN"
_WINDOW, _STRIDE = 3, 2  # cells that occlusion hides at once, and by which it moves on
_AT_ONCE = 64


def picture_maps(stan: Stan, answer: Explained) -> dict[str, Tensor]:
    """(T, U) maps of what in the picture speaks for the event of a clip."""
    clips, event = answer.clips, torch.tensor(answer.event)
    with torch.no_grad():
        _, when_visual, where = stan.maps(clips, answer.attention, event)
        rollout = when_visual[:, None] * answer.attention.space[0].mean(1)
    return {
        OWN: where,
        "attention rollout": rollout,
        "gradient x input": _gradient_times_input(stan, clips, event),
        "Grad-CAM": _grad_cam(stan, clips, event),
        "occlusion": _occlusion(stan, clips, event),
    }


def sound_maps(stan: Stan, answer: Explained) -> dict[str, Tensor]:
    """(T,) what in the sound speaks for the event of a clip."""
    clips, event = answer.clips, torch.tensor(answer.event)
    with torch.no_grad():
        when_audio, _, _ = stan.maps(clips, answer.attention, event)

    def logit(steps: Tensor) -> Tensor:
        return one_event(stan, clips, event, steps=steps)

    shown = torch.ones(1, len(when_audio), requires_grad=True)
    gradient = InputXGradient(logit).attribute(shown)
    with torch.no_grad():
        occluded = Occlusion(logit).attribute(
            torch.ones(1, len(when_audio)), sliding_window_shapes=(1,), perturbations_per_eval=_AT_ONCE
        )
    return {OWN: when_audio, "gradient x input": gradient[0].detach(), "occlusion": occluded[0]}


def one_event(
    stan: Stan,
    clips: Clips,
    event: Tensor,
    *,
    cells: Tensor | None = None,
    steps: Tensor | None = None,
    baseline: float = 0.0,
) -> Tensor:
    """Logits (B,) of an event for masks of cells (B, T, U) or of steps (B, T); what is not given is shown."""
    given = cells if cells is not None else cast(Tensor, steps)
    count = len(given)
    n_steps, n_cells = clips.heat.shape[1:]
    masks = Masks(
        cells=torch.ones(count, n_steps, n_cells) if cells is None else cells,
        steps=torch.ones(count, n_steps) if steps is None else steps,
        blurred=torch.full((count,), baseline),
        silent=torch.full((count,), baseline),
    )
    return cast(Tensor, stan.network.one_event(clips, masks, event)[0])


def _gradient_times_input(stan: Stan, clips: Clips, event: Tensor) -> Tensor:
    """What is seen times the gradient of the logit, summed over channels."""
    seen = clips.seen.clone().requires_grad_()
    return cast(Tensor, InputXGradient(_logit_of(stan, clips, event)).attribute(seen))[0].sum(2).detach()


def _grad_cam(stan: Stan, clips: Clips, event: Tensor) -> Tensor:
    """Selvaraju et al., ICCV 2017, on what is seen: channels weighed by their mean gradient."""
    layer = _Seen(_logit_of(stan, clips, event))
    seen = clips.seen[0].movedim(2, 0)[None].clone().requires_grad_()  # (1, C, T, U)
    cam = LayerGradCam(layer, layer.seen).attribute(seen, relu_attributions=True)
    return cast(Tensor, cam)[0, 0].detach()


class _Seen(nn.Module):
    """A network whose first layer is what is seen, with channels where captum expects them."""

    def __init__(self, logit: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.seen = nn.Identity()
        self._logit = logit

    def forward(self, seen: Tensor) -> Tensor:
        return self._logit(self.seen(seen).movedim(1, 3))


def _logit_of(stan: Stan, clips: Clips, event: Tensor) -> Callable[[Tensor], Tensor]:
    def logit(seen: Tensor) -> Tensor:
        recognised, _ = stan(clips._replace(seen=seen))
        return cast(Tensor, recognised.logits[:, event])

    return logit


@torch.no_grad()
def _occlusion(stan: Stan, clips: Clips, event: Tensor) -> Tensor:
    """Zeiler and Fergus, ECCV 2014: how far the logit falls when a patch of one step is hidden."""
    n_steps, n_cells = clips.heat.shape[1:]
    side = round(n_cells**0.5)

    def logit(cells: Tensor) -> Tensor:
        return one_event(stan, clips, event, cells=cells.flatten(2))

    fall = Occlusion(logit).attribute(
        torch.ones(1, n_steps, side, side),
        sliding_window_shapes=(1, _WINDOW, _WINDOW),
        strides=(1, _STRIDE, _STRIDE),
        perturbations_per_eval=_AT_ONCE,
    )
    return cast(Tensor, fall)[0].flatten(1)
