"""Configuration of CMC on sound and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

View = Literal["audio", "frame", "motion", "crop"]
Objective = Literal["pairwise", "core", "full"]
Guidance = Literal["none", "elg", "plg", "shuffled-elg", "shuffled"]


@dataclass(frozen=True, slots=True)
class CmcConfig:
    """Contrastive multiview coding (Tian et al., ECCV 2020) with audio-visual views.

    Attributes:
        views: what is contrasted, the core view first. `audio` is the embedding, `frame` the tokens of a
            frame, `motion` the change of the tokens up to the next frame kept, `crop` an augmented view of
            the frame. Default: the two of EZ-VSL (Mo and Morgado, ECCV 2022), whose dense form this is.
        objective: which pairs of views are contrasted. `pairwise`: the first with the second alone; `core`:
            the first with each of the others; `full`: each with each (section 3.4 of the paper).
        width: length of the vectors that are compared; 128 in the paper.
        frame: `fixed` compares the principal components of the tokens, which stay as they are; `learned` puts
            a linear map behind them. On validation scenes the two are alike, and the first learns less.
        whiten: power of its standard deviation by which each of those components is divided. Chosen on
            validation scenes; without it a map trained on shuffled sounds points nearly as well.
        cells: a sound is compared with the mean of so many best cells of a picture; EZ-VSL has 1, the
            maximum. Chosen on validation scenes.
        hidden: units of the hidden layer of the sound's projection. Chosen on validation scenes.
        dropout: on the sound's projection. Chosen here: a few hundred recordings are soon known by heart.
        temperature: of the softmax; 0.07 as in the paper's ImageNet runs.
        rate: of AdamW, at the peak of a one-cycle schedule. Chosen on validation scenes.
        weight_decay: of AdamW. Chosen on validation scenes.
        batch: moments in a batch, on each device; all others are the negatives. 128 as in EZ-VSL.
        epochs: how often all training moments are seen. Chosen on validation scenes.
        guidance: what words guide the similarity of sounds and frames (Roth et al., CVPR 2022): `elg`, the
            labels of the examples; `plg`, the five events that are heard most; `shuffled-elg` and `shuffled`,
            the controls, the same two with the names of others; or `none`.
        guidance_weight: of the guidance beside the contrast; 7.5 in the paper. This and the next two were
            chosen on validation scenes.
        guidance_temperature: of both distributions; 1 in the paper.
        guidance_shift: added to the similarities of words; 1 in the paper.
    """

    views: tuple[View, ...] = ("audio", "frame")
    objective: Objective = "full"
    width: Annotated[int, Field(ge=8)] = 128
    frame: Literal["fixed", "learned"] = "fixed"
    whiten: Annotated[float, Field(ge=0, le=1)] = 0.5
    cells: Annotated[int, Field(ge=1)] = 5
    hidden: Annotated[int, Field(ge=8)] = 256
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    temperature: Annotated[float, Field(gt=0)] = 0.07
    rate: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    batch: Annotated[int, Field(ge=2)] = 128
    epochs: Annotated[int, Field(ge=1)] = 6
    guidance: Guidance = "none"
    guidance_weight: Annotated[float, Field(ge=0)] = 100.0
    guidance_temperature: Annotated[float, Field(gt=0)] = 0.1
    guidance_shift: float = 0.0

    def __post_init__(self) -> None:
        if len(set(self.views)) != len(self.views) or not {"audio", "frame"} <= set(self.views):
            raise ValueError(
                f"views are audio, frame and up to two of motion and crop, each once; got {self.views}"
            )
