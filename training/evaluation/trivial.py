"""What predictors without a model reach on published boxes: proof that the metrics are the published ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.data.readers import READERS, DataError
from training.data.readers.box_lists import BoxListReader
from training.data.readers.pixel_boxes import BoxList, by_scene, read_box_list, source_masks
from training.data.readers.vggss import Vggss, read_vggss, vggss_masks
from training.evaluation.tables import NOTHING, Table, number
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
    ("truncate", "mean truth > median"): (34.45, 37.76),
    ("round", "whole image"): (22.03, 31.29),
    ("round", "centred square 50 %"): (31.89, 36.92),
    ("round", "centre disc 50 %"): (34.19, 37.41),
    ("round", "centre disc, GT area"): (43.54, 42.93),
    ("round", "mean truth > median"): (34.48, 37.73),
}


def trivial_benchmarks() -> tuple[str, ...]:
    """Names of the benchmarks whose annotation file alone says enough."""
    listed = tuple(name for name, reader in READERS.items() if isinstance(reader, BoxListReader))
    return (Vggss.name, *listed)


def trivial_figures(benchmark: str, annotations: Path) -> list[TrivialFigure]:
    """Figures from the annotation file of one of the `trivial_benchmarks`, without any media.

    Raises:
        FileNotFoundError: if there is no such file.
        DataError: if it is not the annotation file of that benchmark, or it is not one of these benchmarks.
    """
    reader = READERS.get(benchmark)
    if isinstance(reader, BoxListReader):
        found = list(_box_list(reader.listed, annotations))
    elif benchmark == Vggss.name:
        found = list(_vggss(annotations))
    else:
        known = ", ".join(trivial_benchmarks())
        raise DataError(
            f"the annotations of {benchmark} do not say enough without its media; those of {known} do"
        )
    return found


def trivial_table(figures: Sequence[TrivialFigure]) -> Table:
    """The figures of one benchmark."""
    rows = []
    for figure in figures:
        published = NOTHING if figure.published is None else "{:.2f} / {:.2f}".format(*figure.published)
        rows.append(
            (
                figure.predictor,
                figure.rounding,
                str(figure.n),
                number(figure.success, digits=2),
                number(figure.auc, digits=2),
                number(figure.iiou, digits=2),
                published,
            )
        )
    header = ("predictor", "boxes drawn by", "n", "cIoU@0.5", "AUC", "IIoU", "published")
    return Table(f"{figures[0].dataset}: predictors without a model", header, tuple(rows), n_left=2)


def _vggss(path: Path) -> Iterator[TrivialFigure]:
    entries = read_vggss(path)
    if not entries:
        raise DataError(f"{path} lists no frame")
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
    if not sources:
        raise DataError(f"{path} holds no box with an area")
    masks = source_masks(sources)
    groups = by_scene(sources) if listed.interactive else []
    for name, ious in _predictions(masks):
        both = interactive([ious[group] for group in groups])[0] if groups else None
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
    """Name of each predictor and its (n,) cIoU. The mean truth is that of these masks: it knows them."""
    disc = centre_disc()
    yield "whole image", _ious(masks, [whole_image() > 0])
    yield "centred square 50 %", _ious(masks, [centred_square(SQUARE)])
    yield "centre disc 50 %", _ious(masks, [binarize(disc, Rule.HALF)])
    prior = mean_prior(masks)
    yield "mean truth > median", _ious(masks, [prior > np.median(prior)])
    yield "centre disc, GT area", _ious(masks, [_by_area(disc, mask) for mask in masks])


def _by_area(values: Map, truth: Mask) -> Mask:
    return binarize(values, Rule.AREA, truth=truth)


def _ious(masks: Sequence[Mask], predictions: Sequence[Mask]) -> npt.NDArray[np.float64]:
    """cIoU of each mask with its prediction, or with the only one."""
    shared = len(predictions) == 1
    return np.array([ciou(predictions[0 if shared else k], mask) for k, mask in enumerate(masks)])


def _percent(values: npt.ArrayLike) -> float:
    return float(100 * np.mean(np.asarray(values, np.float64)))
