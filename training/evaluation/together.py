"""Several sources in one picture: real scenes whose sources sound in turn, and two cases side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.evaluation.answers import answer
from training.evaluation.boxes import ABSOLUTE, BY_AREA, MapScore, score_maps
from training.evaluation.cases import Encoded
from training.evaluation.listening import Heard
from training.evaluation.probes import See, side_by_side
from training.evaluation.progress import Watch
from training.evaluation.report import CENTRE_DISC, OURS, VISION_ONLY, InteractiveFigures
from training.evaluation.sounds import Floats, Localizer
from training.metrics.baselines import centre_disc
from training.metrics.controls import interactive
from training.metrics.intervals import Estimate, Groups, bootstrap_mean
from training.metrics.masks import upsample

Scores = dict[str, list[MapScore]]
"""By predictor, one score for each source of a picture."""


def scene_figures(
    members: Sequence[Sequence[int]], heard: Sequence[Heard], groups: Groups
) -> InteractiveFigures | None:
    """Scenes given by the cases that belong to each; None if there is none."""
    pictures = [
        {name: [heard[index].scores[name] for index in scene] for name in (OURS, VISION_ONLY, CENTRE_DISC)}
        for scene in members
    ]
    return _figures(pictures, groups[[scene[0] for scene in members]]) if pictures else None


def side_by_side_figures(
    pairs: Sequence[tuple[int, int]],
    encoded: Encoded,
    *,
    localize: Localizer,
    see: See,
    groups: Groups,
    batch: int,
    watch: Watch,
) -> InteractiveFigures | None:
    """Pairs (left, right) of cases, each squeezed into half of a picture; None if there is none."""
    pictures, deaf_sound = [], encoded.sounds.all_at_once()
    frames = encoded.pictures.frames
    for start in range(0, len(pairs), _AT_ONCE):
        chosen = pairs[start : start + _AT_ONCE]
        composed = np.stack([side_by_side(frames[left], frames[right]) for left, right in chosen])
        for (left, right), *picture in zip(chosen, *see(composed), strict=True):
            shown = picture[0], picture[1]
            maps = answer(localize, shown, encoded.sounds.take([left, right]), batch=batch).heatmaps
            deaf = answer(localize, shown, deaf_sound, batch=batch).heatmaps
            truths = squeezed(encoded.pictures.truth(left), encoded.pictures.truth(right))
            pictures.append(
                {
                    OURS: [
                        score_maps(truth, upsample(heatmap)[None])
                        for truth, heatmap in zip(truths, maps, strict=True)
                    ],
                    VISION_ONLY: [score_maps(truth, upsample(deaf)) for truth in truths],
                    CENTRE_DISC: [score_maps(truth, centre_disc()[None]) for truth in truths],
                }
            )
        watch("two side by side", start + len(chosen), len(pairs), "")
    return _figures(pictures, groups[[left for left, _ in pairs]]) if pictures else None


_AT_ONCE = 4  # pictures composed and encoded at a time


def squeezed(left: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Truths (side, side) of the left and of the right source in the composed picture.

    Every second column is taken, beginning with the second: a box that was drawn by truncation becomes the
    box of half the width, drawn by truncation.
    """
    half = left.shape[1] // 2
    halves = np.zeros_like(left), np.zeros_like(right)
    halves[0][:, :half] = left[:, 1::2]
    halves[1][:, half:] = right[:, 1::2]
    return halves


def _figures(pictures: Sequence[Scores], groups: Groups) -> InteractiveFigures:
    def ious(name: str, rule: int) -> list[list[float]]:
        return [[float(score.iou[rule]) for score in picture[name]] for picture in pictures]

    def share(name: str, rule: int) -> Estimate:
        return bootstrap_mean(interactive(ious(name, rule))[0], groups=groups, scale=100)

    hits = [all(score.hit for score in picture[OURS]) for picture in pictures]
    area_under = interactive(ious(OURS, ABSOLUTE))[1]
    return InteractiveFigures(
        n=len(pictures),
        pointing_all=bootstrap_mean(hits, groups=groups, scale=100),
        iiou=share(OURS, ABSOLUTE),
        iauc=bootstrap_mean(area_under, groups=groups, scale=100),
        iiou_area=share(OURS, BY_AREA),
        iiou_saliency=share(VISION_ONLY, BY_AREA),
        iiou_disc=share(CENTRE_DISC, BY_AREA),
    )
