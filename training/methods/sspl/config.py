"""Configuration of SSPL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field


@dataclass(frozen=True, slots=True)
class SsplConfig:
    """SSPL (Song et al., CVPR 2022) on the tokens of DINOv2 and the embeddings of YAMNet.

    Attributes:
        pcm: whether visual features go through the predictive coding module.
        steps: T of that module, 5 in the paper.
        residual: add what the module gives to its input, beginning with nothing, instead of putting it in its
            place as in the paper. Ours: a module that begins at random forgets where objects are, and too
            little data and time are here to learn it anew.
        coded: with `residual`, how many of the channels the module sees and corrects, those of the largest
            variance first; 0 is all of them, as in the paper. Ours: its cost grows with their square.
        channels: visual features after a principal component projection that is fitted once and stays. The
            paper has 512 of VGG16, unprojected; 128 of DINOv2's 384 keep the module in reach of two cores.
        standardise: give features mean 0 and variance 1 in each channel before anything else, whiten their
            principal components, and make all tokens as long; false leaves them as the encoders give them,
            as in the paper. Ours: most of the variance of DINOv2's tokens is in what backgrounds differ in.
        hidden: width of the sound's projection g; 512 in the paper.
        projected: width of projector and of the vectors that are compared; 2048 in the paper.
        bottleneck: hidden width of the predictor; 512 in the paper.
        dropout: on the sound's projection; none in the paper. Chosen here: a few thousand recordings are
            soon known by heart.
        sound_weight: weight of the added term that foretells the attended part of the picture from the sound
            alone. 0 is the paper's loss. Ours, see docs/systems/sspl.md: with frozen encoders nothing in the
            paper's loss depends on whether the sound belongs to the picture.
        warm_up: share of all steps in which the part foretold is what stands out of the picture; later it is
            what stands out and fits the sound. Ours.
        sharpness: power of the attention that says how well a place fits the sound, in the added term. Ours.
        rate_head: of AdamW for projector and predictor (lr1 of the supplement).
        rate: of AdamW for everything else (lr2 of the supplement).
        weight_decay: of AdamW; 1e-4 in the paper. Gains of the predictive coding module have none.
        batch: moments in a batch, on each device, which normalises over its own; 256 in the paper.
        epochs: how often all training moments are seen; the paper has 20 with the module and 100 without.
    """

    pcm: bool = False
    steps: Annotated[int, Field(ge=1)] = 5
    residual: bool = True
    coded: Annotated[int, Field(ge=0)] = 32
    channels: Annotated[int, Field(ge=8)] = 128
    standardise: bool = True
    hidden: Annotated[int, Field(ge=8)] = 512
    projected: Annotated[int, Field(ge=8)] = 2048
    bottleneck: Annotated[int, Field(ge=8)] = 512
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    sound_weight: Annotated[float, Field(ge=0)] = 20.0
    warm_up: Annotated[float, Field(ge=0, le=1)] = 0.4
    sharpness: Annotated[float, Field(ge=0)] = 3.0
    rate_head: Annotated[float, Field(gt=0)] = 2e-3
    rate: Annotated[float, Field(gt=0)] = 5e-4
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    batch: Annotated[int, Field(ge=2)] = 128
    epochs: Annotated[int, Field(ge=1)] = 5
