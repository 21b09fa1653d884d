"""Does language help CMC? Retrieval between sounds and frames, and localisation, with it and without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from training.evaluation.boxes import ABSOLUTE, BY_AREA, BoxScores
from training.evaluation.models import as_localizer
from training.evaluation.tables import Table, number
from training.methods.cmc.config import Guidance
from training.methods.cmc.module import Cmc
from training.metrics.intervals import Estimate, bootstrap_mean
from training.metrics.retrieval import Ranking, map_at_r
from training.trial.gallery import Gallery
from training.trial.views import places, sounds_by_frames

NONE: Guidance = "none"
ARMS: tuple[Guidance, ...] = (NONE, "elg", "shuffled-elg", "plg", "shuffled")
COMPARED: tuple[tuple[Guidance, Guidance], ...] = (
    *((arm, NONE) for arm in ARMS[1:]),
    ("elg", "shuffled-elg"),
    ("plg", "shuffled"),
)
UNTRAINED = "untrained"
DEPTHS = (1, 5, 10)
_FOUND = (*(f"R@{depth}" for depth in DEPTHS), "mAP@R")
_MAPS = ("pointing", "cIoU threshold 0.5", "cIoU GT area")
FIGURES = (*(f"{way}, {name}" for way in ("sound to frame", "frame to sound") for name in _FOUND), *_MAPS)

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of an arm in percent: its mean over the seeds with an interval, and that of each seed."""

    mean: Estimate
    seeds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class GuidanceReport:
    """Figures over a gallery, by arm and by name of the figure.

    Attributes:
        chance: in percent, of retrieval alone.
        ahead: points by which one arm is ahead of another on the same moments.
    """

    name: str
    n: int
    arms: dict[str, dict[str, Figure]]
    chance: dict[str, float]
    ahead: dict[str, dict[str, Estimate]]


def values_of(module: Cmc, gallery: Gallery) -> Values:
    """(N, figures) of each moment of a gallery, in [0, 1], in the order of `FIGURES`.

    R@k asks for the very moment, mAP@R for all that have a label in common with it.
    """
    scores, alike = sounds_by_frames(module, gallery), related(gallery)
    boxes = BoxScores.of(gallery.scores(gallery.maps(as_localizer(module))))
    maps = (boxes.hits, boxes.success[:, ABSOLUTE], boxes.success[:, BY_AREA])
    return np.column_stack([*_found(scores, alike), *_found(scores.T, alike), *maps])


def related(gallery: Gallery) -> npt.NDArray[np.bool_]:
    """(N, N) whether two moments have a label in common, each being related to itself."""
    labels = [frozenset(facts.labels) for facts in gallery.facts]
    common = np.array([[bool(mine & yours) for yours in labels] for mine in labels])
    return np.asarray(common | np.eye(len(labels), dtype=bool))


def chance(alike: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Figures of retrieval in percent that a random order has on average, by the relation of moments (N, N).

    With R of N that are right, the r-th place holds one in R / N of all orders, and then 1 + (r - 1)(R - 1) /
    (N - 1) of the first r places are right.
    """
    n = len(alike)
    expected = []
    for right in alike.sum(1):
        place = np.arange(1, right + 1)
        expected.append(np.mean((1 + (place - 1) * (right - 1) / max(n - 1, 1)) / place) * right / n)
    found = (*(min(depth / n, 1) for depth in DEPTHS), np.mean(expected))
    return {name: 100 * float(value) for name, value in zip(FIGURES, found * 2, strict=False)}


def report_on(gallery: Gallery, arms: Mapping[str, Sequence[Values]]) -> GuidanceReport:
    """Figures of all arms, each with values of several seeds; intervals draw scenes or videos."""
    groups = gallery.groups
    stacked = {name: np.stack(seeds) for name, seeds in arms.items()}  # (seeds, N, figures)

    def by_figure(values: Values) -> dict[str, Estimate]:
        return {
            name: bootstrap_mean(column, groups=groups, scale=100)
            for name, column in zip(FIGURES, values.T, strict=True)
        }

    figures = {}
    for name, values in stacked.items():
        seeds = 100 * values.mean(1)
        figures[name] = {
            figure: Figure(mean, tuple(round(float(value), 1) for value in column))
            for (figure, mean), column in zip(by_figure(values.mean(0)).items(), seeds.T, strict=True)
        }
    ahead = {
        f"{one} - {other}": by_figure((stacked[one] - stacked[other]).mean(0)) for one, other in COMPARED
    }
    return GuidanceReport(gallery.name, len(gallery), figures, chance(related(gallery)), ahead)


def tables(report: GuidanceReport) -> list[Table]:
    """The report for terminal and docs: a line for each figure, in percent and in points."""
    figures, ahead = [], []
    for name in FIGURES:
        cells = (_cell(arm[name]) for arm in report.arms.values())
        figures.append((name, *cells, number(report.chance.get(name))))
        ahead.append((name, *(_signed(differences[name]) for differences in report.ahead.values())))
    title = f"{report.name}: {report.n} moments, one an example; percent, mean (each seed)"
    return [
        Table(title, ("figure", *report.arms, "chance"), tuple(figures)),
        Table(f"{report.name}: points ahead, 95 %", ("figure", *report.ahead), tuple(ahead)),
    ]


def _found(scores: Tensor, alike: npt.NDArray[np.bool_]) -> list[Values]:
    """Whether what belongs to each query is among the first, and its mAP@R, from scores (N, N)."""
    before = places(scores).numpy()
    order = np.argsort(-scores.numpy(), axis=1, kind="stable")
    ranking = Ranking(np.take_along_axis(alike, order, 1), alike.sum(1))
    return [*((before < depth).astype(np.float64) for depth in DEPTHS), map_at_r(ranking)]


def _cell(figure: Figure) -> str:
    return f"{figure.mean.value:.1f} ({' '.join(map(str, figure.seeds))})"


def _signed(estimate: Estimate) -> str:
    return f"{estimate.value:+.1f} [{estimate.low:.1f}, {estimate.high:.1f}]"
