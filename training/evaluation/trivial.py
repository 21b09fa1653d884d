"""What predictors without a model reach on published boxes: proof that the metrics are the published ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.data.pixel_boxes import LISTS, BoxList, by_scene, read_box_list, source_masks
from training.data.vggss import ANNOTATIONS, read_vggss, vggss_masks
from training.metrics.baselines import centre_disc, centred_square, mean_prior, whole_image
from training.metrics.controls import interactive
from training.metrics.localization import Rule, binarize, ciou, success, success_auc
from training.metrics.masks import Map, Mask, Rounding

SQUARE = 0.5


@dataclass(frozen=True, slots=True)
class TrivialFigure:
    """A predictor on a set of boxes, in percent. `iiou` is None where pictures hold one source.

    `published` is what others computed for the same n and rounding (success, AUC), None where nobody did.
    """

    dataset: str
    rounding: str
    n: int
    predictor: str
    success: float
    auc: float
    iiou: float | None = None
    published: tuple[float, float] | None = None


# (rounding, predictor) to success and AUC: 5,158 entries truncated, 5,156 rounded.
PUBLISHED_VGGSS = {
    ("truncate", "whole image"): (21.95, 31.25),
    ("truncate", "centred square 50 %"): (31.72, 36.93),
    ("truncate", "mean-GT prior > median"): (34.45, 37.76),
    ("round", "whole image"): (22.03, 31.29),
    ("round", "centred square 50 %"): (31.89, 36.92),
    ("round", "centre disc 50 %"): (34.19, 37.41),
    ("round", "centre disc, GT area"): (43.54, 42.93),
    ("round", "mean-GT prior > median"): (34.48, 37.73),
}


def trivial_figures(directory: Path) -> Iterator[TrivialFigure]:
    """Figures for every annotation file found in `directory`; none for those that are missing.

    Raises ValueError if a file is there but is not what its name says.
    """
    if (directory / ANNOTATIONS).is_file():
        yield from _vggss(directory / ANNOTATIONS)
    for listed in LISTS:
        if (directory / listed.file).is_file():
            yield from _box_list(listed, directory / listed.file)


def _vggss(path: Path) -> Iterator[TrivialFigure]:
    entries = read_vggss(path)
    protocols: tuple[tuple[Rounding, bool], ...] = (("truncate", False), ("round", True))
    for rounding, drop_empty in protocols:
        masks = vggss_masks(entries, rounding=rounding, drop_empty=drop_empty)
        for name, ious in _predictions(masks):
            yield TrivialFigure(
                dataset="VGG-SS",
                rounding=rounding,
                n=len(masks),
                predictor=name,
                success=_percent(success(ious)),
                auc=_percent(success_auc(ious)),
                published=PUBLISHED_VGGSS.get((rounding, name)),
            )


def _box_list(listed: BoxList, path: Path) -> Iterator[TrivialFigure]:
    sources = read_box_list(path)
    masks = source_masks(sources)
    groups = by_scene(sources) if listed.interactive else []
    for name, ious in _predictions(masks):
        both, _ = interactive([ious[group] for group in groups]) if groups else (None, None)
        yield TrivialFigure(
            dataset=listed.name,
            rounding="whole pixels",
            n=len(masks),
            predictor=name,
            success=_percent(success(ious)),
            auc=_percent(success_auc(ious)),
            iiou=None if both is None else _percent(both),
        )


def _predictions(masks: Sequence[Mask]) -> Iterator[tuple[str, npt.NDArray[np.float64]]]:
    """Name of each predictor and its (n,) cIoU."""
    disc = centre_disc()
    yield "whole image", _ious(masks, [whole_image() > 0])
    yield "centred square 50 %", _ious(masks, [centred_square(SQUARE)])
    yield "centre disc 50 %", _ious(masks, [binarize(disc, Rule.HALF)])
    prior = mean_prior(masks)
    yield "mean-GT prior > median", _ious(masks, [prior > np.median(prior)])
    yield "centre disc, GT area", _ious(masks, [_by_area(disc, mask) for mask in masks])


def _by_area(values: Map, truth: Mask) -> Mask:
    return binarize(values, Rule.AREA, truth=truth)


def _ious(masks: Sequence[Mask], predictions: Sequence[Mask]) -> npt.NDArray[np.float64]:
    """cIoU of each mask with its prediction, or with the only one."""
    shared = len(predictions) == 1
    return np.array([ciou(predictions[0 if shared else k], mask) for k, mask in enumerate(masks)])


def _percent(values: npt.ArrayLike) -> float:
    return float(100 * np.mean(np.asarray(values, np.float64)))
