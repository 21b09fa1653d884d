"""Configuration of AVDet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field


@dataclass(frozen=True, slots=True)
class AvdetConfig:
    """AVDet (Afouras et al., CVPR 2022) on frozen tokens. Of the paper only the outline is public: boxes from
    heatmaps, labels from clustering, a detector trained on both. Values are ours unless a source is named.

    Attributes:
        beta: a box goes around what is hotter than beta * max + (1 - beta) * mean of its map (the paper's
            form). 0 chooses it on the validation moments whose sources are marked, or takes 0.5 without any.
        smallest, largest: share of the frame that a box may take.
        faintest: maximum that a map must reach to give a box. Maps are calibrated: from 0.5 on a source is in
            sight more likely than not.
        clusters: K pseudo-classes; 1 to 3 times as many as kinds are expected (SeLaVi has 39 to 400).
        heads: clusterings made at once, the one whose audio and visual halves agree most being kept; 10 in
            SeLaVi (Asano et al., NeurIPS 2020).
        rounds: how often labels are made anew by optimal transport; 100 in SeLaVi.
        sharpness: lambda of optimal transport, 20 in SeLaVi: the higher, the nearer to the hard optimum.
        spread: deviation of cluster sizes around N / K; 0.1 in SeLaVi ("gauss"). No size is given but that.
        agreeing: share kept of the samples that sound and sight put into the same cluster, the surest first.
        channels: principal components of the tokens that the detector sees.
        looks: principal components of the class map that it sees beside them, if the encoder has one; 0 shows
            it tokens alone.
        width, blocks, dropout: of the detector.
        radius: cells around the centre of a box that learn it (FCOS' centre sampling has 1.5).
        focal_alpha, focal_gamma: of the focal loss (Lin et al., ICCV 2017).
        box_weight: of the GIoU loss beside the others; 1 in FCOS, 2 in its later versions.
        suppression: IoU from which on the weaker of two boxes is dropped.
        rate, weight_decay: of AdamW; the rate rises and falls once (one cycle).
        batch: frames in a batch.
        epochs: how often all boxes are seen.
    """

    beta: Annotated[float, Field(ge=0, lt=1)] = 0.0
    smallest: Annotated[float, Field(ge=0, lt=1)] = 0.01
    largest: Annotated[float, Field(gt=0, le=1)] = 0.9
    faintest: Annotated[float, Field(ge=0, lt=1)] = 0.5
    clusters: Annotated[int, Field(ge=2)] = 32
    heads: Annotated[int, Field(ge=1)] = 3
    rounds: Annotated[int, Field(ge=0)] = 2
    sharpness: Annotated[float, Field(gt=0)] = 20.0
    spread: Annotated[float, Field(ge=0, lt=1)] = 0.1
    agreeing: Annotated[float, Field(gt=0, le=1)] = 1.0
    channels: Annotated[int, Field(ge=8)] = 128
    looks: Annotated[int, Field(ge=0)] = 64
    width: Annotated[int, Field(ge=8)] = 96
    blocks: Annotated[int, Field(ge=1)] = 3
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    radius: Annotated[float, Field(gt=0)] = 1.5
    focal_alpha: Annotated[float, Field(gt=0, lt=1)] = 0.25
    focal_gamma: Annotated[float, Field(ge=0)] = 2.0
    box_weight: Annotated[float, Field(gt=0)] = 2.0
    suppression: Annotated[float, Field(gt=0, le=1)] = 0.5
    rate: Annotated[float, Field(gt=0)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    batch: Annotated[int, Field(ge=2)] = 64
    epochs: Annotated[int, Field(ge=1)] = 6
