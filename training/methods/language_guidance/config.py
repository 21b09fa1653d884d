"""Configuration of language guidance on pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

Encoder = Literal["efficientnet-lite", "dinov2"]
Guidance = Literal["none", "elg", "plg", "shuffled"]
Base = Literal["multisimilarity", "proxy-anchor", "infonce"]
Direction = Literal["backward", "forward"]
Share = Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True, slots=True)
class LanguageGuidanceConfig:
    """Language guidance of metric learning (Roth, Vinyals and Akata, CVPR 2022).

    The paper trains a whole ResNet-50; here a linear head learns on frozen features, so that rate, epochs and
    batch are ours. Where nothing else is said a value is that of the authors' code.

    Attributes:
        guidance: `elg`, by the names of the classes; `plg`, by the names of the ImageNet classes that a
            frozen classifier sees in them; `shuffled`, by names of other classes, the control; or `none`.
        base: the loss that is guided.
        encoder: whose features are learnt on: the pooled ones of EfficientNet-Lite2, which was trained on
            ImageNet as the paper's ResNet-50, or the mean token of DINOv2, which knows no classes.
        weight: of the guidance beside the base loss; 7.5 as with Multisimilarity on CUB and 128 numbers.
        temperature: of both distributions; 1.
        shift: added to the similarities of language; 1.
        direction: `backward`, KL(image || language) as published, or `forward`, KL(language || image).
        names: ImageNet classes that stand for a class, of `plg`; 5.
        prompt: what a name is put into before it is encoded.
        features: length of an embedding; 128.
        trained: share of the classes, in the order of their names, that is trained on; the rest is unseen.
        validation: share of the pictures of each trained class that chooses the epoch; at least two.
        rate: of Adam.
        proxy_rate: of Adam, for the proxies of `proxy-anchor`.
        weight_decay: of Adam; 4e-4.
        per_class: pictures of a class that come together; 2.
        batch: pictures in a batch, on each device.
        epochs: how often all training pictures are seen.
    """

    guidance: Guidance = "plg"
    base: Base = "multisimilarity"
    encoder: Encoder = "efficientnet-lite"
    weight: Annotated[float, Field(ge=0)] = 7.5
    temperature: Annotated[float, Field(gt=0)] = 1.0
    shift: float = 1.0
    direction: Direction = "backward"
    names: Annotated[int, Field(ge=1, le=1000)] = 5
    prompt: Annotated[str, Field(pattern=r"\{\}")] = "a photo of a {}"
    features: Annotated[int, Field(ge=2)] = 128
    trained: Share = 0.5
    validation: Share = 0.2
    rate: Annotated[float, Field(gt=0)] = 3e-4
    proxy_rate: Annotated[float, Field(gt=0)] = 1e-2
    weight_decay: Annotated[float, Field(ge=0)] = 4e-4
    per_class: Annotated[int, Field(ge=2)] = 2
    batch: Annotated[int, Field(ge=4)] = 32
    epochs: Annotated[int, Field(ge=1)] = 40
