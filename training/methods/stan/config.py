"""Configuration of STAN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field


@dataclass(frozen=True, slots=True)
class StanConfig:
    """STAN (Chen et al., space-time attention for audio-visual event recognition) on frozen features.

    Only the outline of the paper is public: attention in space and in time, each guided by the other
    modality, and explanations tested by perturbation and pointing. Formulas and values are ours.

    Attributes:
        channels, looks: principal components of tokens and class map that are seen, see `Sight`.
        heads: of the attention in space.
        width: of a query and a key, for each head.
        rate, weight_decay: of AdamW; the rate rises and falls once (one cycle).
        rate_few: for the few numbers that weigh whole terms of the formulas, without decay.
        batch: clips in a batch.
        epochs: how often all clips are seen.
        alone: weight of the losses by which each modality has to recognise events by itself. Without them
            sound would do all the work, and there would be nothing to explain in the picture.
        guided: weight of the divergence between attention in space and the heat of the localiser.
        mismatched: share of clips that are shown, too, with the sound of another: only so does it matter what
            is in sight.
        masked: share of clips of which a random part is hidden, so that the curves by which explanations are
            measured show the network nothing new.
        smooth: weight of the change of attention from one step to the next.
        sparse: weight of the entropy of attention in time.
    """

    channels: Annotated[int, Field(ge=8)] = 128
    looks: Annotated[int, Field(ge=1)] = 64
    heads: Annotated[int, Field(ge=1)] = 4
    width: Annotated[int, Field(ge=4)] = 32
    rate: Annotated[float, Field(gt=0)] = 5e-4
    rate_few: Annotated[float, Field(gt=0)] = 1e-2
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    batch: Annotated[int, Field(ge=2)] = 16
    epochs: Annotated[int, Field(ge=1)] = 5
    alone: Annotated[float, Field(ge=0)] = 0.5
    guided: Annotated[float, Field(ge=0)] = 5.0
    mismatched: Annotated[float, Field(ge=0, le=1)] = 1.0
    masked: Annotated[float, Field(ge=0, le=1)] = 0.3
    smooth: Annotated[float, Field(ge=0)] = 0.0
    sparse: Annotated[float, Field(ge=0)] = 0.1
