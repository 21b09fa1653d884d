"""Configuration of CMC on pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

Colours = Literal["lab", "ycbcr"]
Loss = Literal["softmax", "nce"]
Share = Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True, slots=True)
class CmcImagesConfig:
    """Contrastive multiview coding of pictures (Tian et al., ECCV 2020): AlexNet on ImageNet.

    Where nothing else is said a value is the default of the authors' code, `train_CMC.py`.

    Attributes:
        colours: the space that is split into lightness and colour: L, ab as in section 4.1 of the paper, or
            Y, CbCr, which is 0.5 to 1 points better on ImageNet by the authors' README.
        side: pictures are scaled and cut to squares of so many pixels; 256 as in `LinearProbing.py`.
        crop: side of what the encoders see, in pixels; 224. Smaller pictures are quicker.
        least_area: the smallest crop, as a share of the picture; 0.2 for AlexNet.
        width: factor on the channels of the encoder of each view; 1 has half of AlexNet's.
        features: length of the vectors that are compared; 128.
        loss: `softmax` (InfoNCE), which the README recommends, or `nce`, equation 12 of the appendix.
        negatives: noise vectors a picture is compared with, drawn with replacement; 4096 as in the README.
            With a few hundred pictures fewer are better (issue 50 of the authors' code).
        temperature: of the scores; 0.07.
        memory_momentum: share of a vector of the memory that an update leaves; 0.5.
        normaliser_momentum: share of the running estimate of Z, of the loss `nce`, that a batch leaves; 0.99
            as in issue 23 of the authors' code.
        rate: of SGD; 0.03.
        momentum: of SGD; 0.9.
        weight_decay: of SGD; 1e-4.
        drops: after which shares of the epochs the rate falls; 120, 160 and 200 of 240.
        drop_factor: what the rate is multiplied by; 0.1.
        batch: pictures in a batch, on each device; 256 as in the README's example with AlexNet.
        epochs: how often all training pictures are seen; 240.
        probe_rate: of SGD, for the linear probe; 0.1 as in the README's example with AlexNet.
        probe_epochs: of the linear probe; 60 as in `LinearProbing.py`.
    """

    colours: Colours = "lab"
    side: Annotated[int, Field(ge=32)] = 256
    crop: Annotated[int, Field(ge=32, le=224)] = 224
    least_area: Annotated[float, Field(gt=0, le=1)] = 0.2
    width: Annotated[float, Field(ge=0.05)] = 1.0
    features: Annotated[int, Field(ge=2)] = 128
    loss: Loss = "softmax"
    negatives: Annotated[int, Field(ge=1)] = 4096
    temperature: Annotated[float, Field(gt=0)] = 0.07
    memory_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.5
    normaliser_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.99
    rate: Annotated[float, Field(gt=0)] = 0.03
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    drops: tuple[Share, ...] = (120 / 240, 160 / 240, 200 / 240)
    drop_factor: Share = 0.1
    batch: Annotated[int, Field(ge=2)] = 256
    epochs: Annotated[int, Field(ge=1)] = 240
    probe_rate: Annotated[float, Field(gt=0)] = 0.1
    probe_epochs: Annotated[int, Field(ge=1)] = 60

    def __post_init__(self) -> None:
        if self.crop > self.side:
            raise ValueError(f"a crop of {self.crop} pixels does not fit into a picture of {self.side}")
