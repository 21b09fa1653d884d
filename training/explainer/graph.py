"""`explain.onnx`: a clip to what is seen and heard in it, where and when, and what hiding parts does."""

from __future__ import annotations

import onnx
import torch
from torch import Tensor, nn

from app.inference.contract import Explained
from app.pipeline.encode import SILENCE
from training.explainer.references import References
from training.methods.stan.module import Stan
from training.methods.stan.network import Clips, Masks
from training.onnx_graph import to_onnx
from training.precision import store_as_half

_NEVER = -100.0  # logit
_STEPS, _VERSIONS = 5, 3  # of the example; any but 1, which tracing would take for a constant


class Told(nn.Module):
    """What an explainer says of one clip, in the form that users of the graph expect."""

    silence: Tensor
    references_events: Tensor
    references_window: Tensor

    def __init__(self, explainer: Stan, references: References) -> None:
        super().__init__()
        self.explainer = explainer
        self.register_buffer("silence", torch.tensor([name == SILENCE for name in explainer.events]))
        self.register_buffer("references_events", references.events)
        self.register_buffer("references_window", references.window)

    def forward(
        self,
        tokens: Tensor,
        class_map: Tensor,
        window: Tensor,
        heat: Tensor,
        cells: Tensor,
        steps: Tensor,
        blurred: Tensor,
        silent: Tensor,
        target: Tensor,
    ) -> tuple[Tensor, ...]:
        """Inputs of `app.inference.bundle.Bundle.explain` to the fields of `Explained`."""
        clip = self._clip(tokens, class_map, window, heat)
        recognised, attention = self.explainer(clip)
        scores = torch.sigmoid(recognised.logits[0])
        best = self.explainer.best_event(recognised.logits[0].masked_fill(self.silence, _NEVER))
        chosen = torch.where(target >= 0, target, best)
        masks = Masks(cells.flatten(2), steps, blurred, silent)
        judged = self.explainer.network.one_event(clip, masks, chosen)
        when_audio, when_visual, where = self.explainer.maps(clip, attention, chosen)
        references = self.references_events.clone(), self.references_window.clone()
        return scores, chosen, *judged, when_audio, when_visual, where.reshape(heat.shape), *references

    def _clip(self, tokens: Tensor, class_map: Tensor, window: Tensor, heat: Tensor) -> Clips:
        perception = self.explainer.perception
        seen, (heard, told) = perception.see(tokens, class_map), perception.hear(window)
        there = torch.ones_like(window[:, 0], dtype=torch.bool)
        return Clips(*(part[None] for part in (seen, heard, told, heat.flatten(1), there)))


def explain_graph(explainer: Stan, references: References) -> onnx.ModelProto:
    """The graph of an explainer, float32, its large constants stored in float16.

    Inputs and outputs are those of `app.inference.contract`.
    """
    token, sound, grid = explainer.hparams["widths"]
    clip, versions = ("T",), ("B", "T")
    inputs = {
        "tokens": (torch.rand(_STEPS, grid, grid, token), clip),
        "class_map": (torch.rand(_STEPS, *explainer.hparams["class_map"]), clip),
        "window": (torch.rand(_STEPS, sound), clip),
        "heat": (torch.rand(_STEPS, grid, grid), clip),
        "cells": (torch.rand(_VERSIONS, _STEPS, grid, grid), versions),
        "steps": (torch.rand(_VERSIONS, _STEPS), versions),
        "blurred": (torch.rand(_VERSIONS), versions[:1]),
        "silent": (torch.rand(_VERSIONS), versions[:1]),
        "target": (torch.tensor(-1), ()),
    }
    model = to_onnx(
        Told(explainer, references).eval(),
        {name: example for name, (example, _) in inputs.items()},
        outputs=Explained._fields,
        axes={name: axes for name, (_, axes) in inputs.items()},
    )
    given = [constant.name for constant in model.graph.initializer if "reference" in constant.name]
    return store_as_half(model, keep=given)
