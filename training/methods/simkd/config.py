"""Configuration of SimKD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

Objective = Literal["simkd", "logits", "alone"]


@dataclass(frozen=True, slots=True)
class SimkdConfig:
    """Distillation of a bundle's visual encoder into EfficientNet-Lite0, for the same heads.

    Attributes:
        objective: `simkd` makes the student's tokens and class map like the teacher's, whose heads stay. The
            two others are what it is compared with, and train a localiser of their own behind the student:
            `logits` on the teacher's heatmap and, where it is known, on the truth (Hinton et al., 2015),
            `alone` on the truth only.
        side: of the square frames that the student sees, in pixels, a multiple of 32.
        reduction: the projector's hidden layers are so many times narrower than tokens; 2 in the paper, where
            it is the best of 2, 4 and 8.
        frozen: blocks of the backbone, of 16, that stay as they were published, the first ones; at most the
            11 up to stride 16. They are run once over all frames, which is why there are no new views in
            each epoch.
        class_weight: of the class map beside the tokens, as KL(teacher || student). The paper has one map.
        heat_weight: of the heatmap, with `simkd`: cross-entropy of what the teacher's localiser makes of the
            student's features and of the teacher's. It is not in the paper, which trains on features alone.
        rate: of AdamW for projector and heads, at the peak of a one-cycle schedule.
        backbone_rate: the same for the backbone.
        weight_decay: of AdamW.
        batch: frames in a batch, on each device.
        epochs: how often all frames are seen.
    """

    objective: Objective = "simkd"
    side: Annotated[int, Field(ge=64, multiple_of=32)] = 320
    reduction: Annotated[int, Field(ge=1)] = 2
    frozen: Annotated[int, Field(ge=0, le=11)] = 8
    class_weight: Annotated[float, Field(ge=0)] = 1.0
    heat_weight: Annotated[float, Field(ge=0)] = 0.0
    rate: Annotated[float, Field(gt=0)] = 2e-3
    backbone_rate: Annotated[float, Field(gt=0)] = 3e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    batch: Annotated[int, Field(ge=2)] = 32
    epochs: Annotated[int, Field(ge=1)] = 3
