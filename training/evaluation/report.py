"""What an evaluation says. Shares, areas and AUCs are in percent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from training.evaluation.cases import LeftOut
from training.metrics.intervals import Estimate
from training.metrics.localization import Rule

OURS = "ours"
WHOLE_IMAGE = "whole image"
CENTRED_SQUARE = "centred square"
CENTRE_DISC = "centre disc"
PRIOR = "mean truth of the others"
VISION_ONLY = "vision only"
SHUFFLED = "shuffled audio"


@dataclass(frozen=True, slots=True)
class BoxFigures:
    """Figures against the truth, of n cases.

    Attributes:
        n: how many cases; the intervals say how many groups were drawn.
        pointing: share of cases whose maximum lies in the truth; None for a predictor that points nowhere.
        success: by binarisation rule, share of cases with a cIoU of 0.5 or more ("cIoU" in papers).
        auc: by binarisation rule, area under success over the 21 thresholds.
        mean_iou: mean cIoU at the absolute threshold.
        mass: mean share of the heatmap's mass inside the truth.
    """

    n: int
    pointing: Estimate | None
    success: Mapping[Rule, Estimate]
    auc: Mapping[Rule, Estimate]
    mean_iou: Estimate
    mass: Estimate


@dataclass(frozen=True, slots=True)
class Row:
    """A predictor on all scored cases, and on those whose centre lies outside the truth, if any."""

    name: str
    everywhere: BoxFigures
    off_centre: BoxFigures | None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the scored cases, with the figures of some predictors by name."""

    name: str
    figures: Mapping[str, BoxFigures]


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The scored cases taken apart by something known of them."""

    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class ExtendedRow:
    """A predictor under the extended protocol, see `training.metrics.negatives`. `rule` makes the masks."""

    name: str
    rule: Rule
    average_precision: Estimate
    max_f1: Estimate
    accuracy: Estimate


@dataclass(frozen=True, slots=True)
class NegativeFigures:
    """Cases in which nothing in sight makes the sound, beside the scored ones.

    Attributes:
        name: which of them.
        n: negative cases.
        area: mean area marked on them.
        fires: share of them whose presence is 0.5 or more.
        presence_auc: how well presence tells scored from negative cases.
        extended: AP, max-F1 and LocAcc of SLAVC.
    """

    name: str
    n: int
    area: Estimate
    fires: Estimate
    presence_auc: Estimate
    extended: tuple[ExtendedRow, ...]


@dataclass(frozen=True, slots=True)
class QuietFigures:
    """What is marked when nothing in sight sounds: silence, or one colour of noise.

    Attributes:
        area: mean area marked.
        worst, worst_id: largest area marked on any case under any seed and level, and on which.
        false_alarms: share of maps with a cell at 0.5 or above.
    """

    area: Estimate
    worst: float
    worst_id: str
    false_alarms: Estimate


@dataclass(frozen=True, slots=True)
class SwapFigures:
    """The right sound against the sounds of other cases, on the same frames.

    Attributes:
        own_area, swapped_area: mean area marked; each case counts once, as the mean over the other sounds.
        ratio: swapped_area / own_area (a plain ratio, not percent).
        presence_auc: how well presence tells own sounds from swapped ones.
        fires_own, fires_swapped: share of maps whose presence is 0.5 or more.
        n_pairs: how many frame and sound pairs were swapped.
    """

    own_area: Estimate
    swapped_area: Estimate
    ratio: Estimate
    presence_auc: Estimate
    fires_own: Estimate
    fires_swapped: Estimate
    n_pairs: int


@dataclass(frozen=True, slots=True)
class InteractiveFigures:
    """Several sources in one picture, each of which is played alone: is each found in its own place?

    Attributes:
        n: pictures.
        pointing_all: share of pictures in which every maximum lies in the right place.
        iiou, iauc: every source succeeds at the absolute threshold.
        iiou_area: the same at the size of the truth.
        iiou_saliency: `iiou_area` of the vision-only map, which cannot tell the sounds apart.
        iiou_disc: `iiou_area` of the centre disc.
    """

    n: int
    pointing_all: Estimate
    iiou: Estimate
    iauc: Estimate
    iiou_area: Estimate
    iiou_saliency: Estimate
    iiou_disc: Estimate


@dataclass(frozen=True, slots=True)
class ControlFigures:
    """Does the map follow the sound? A None was not measured.

    Attributes:
        silence, noises: sounds that nothing in sight makes.
        other_kind, other_instrument: sounds of other cases.
        flip_error, flip_iou: mirrored frames.
        side_by_side: two cases squeezed into one picture.
    """

    silence: QuietFigures
    noises: Mapping[str, QuietFigures]
    other_kind: SwapFigures | None
    other_instrument: SwapFigures | None
    flip_error: Estimate | None
    flip_iou: Estimate | None
    side_by_side: InteractiveFigures | None


@dataclass(frozen=True, slots=True)
class CaseScore:
    """One case, for finding out what goes wrong. cIoU in [0, 1], areas in percent; None unless scored."""

    id: str
    label: str
    role: str
    time_s: float
    pointing: bool | None
    iou: Mapping[Rule, float] | None
    truth_area: float | None
    own_area: float
    silence_area: float
    swapped_area: float | None
    presence: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything about one localiser on one benchmark.

    Attributes:
        n_cases: examples that could be used; what follows is a part of them.
        n_scored, n_negatives: see `Role`.
        n_groups: groups of scored cases; the intervals draw these.
        n_off_centre: scored cases whose centre lies outside the truth.
        left_out: examples that could not be used.
        rows: ours, then the predictors that must stand beside it.
        breakdowns: the same for parts of the scored cases.
        negatives: all negative cases, then parts of them; empty if there is none.
        scenes: None if no picture has several sources that sound in turn.
        controls: none of them needs a truth.
        cases: each case.
    """

    n_cases: int
    n_scored: int
    n_negatives: int
    n_groups: int
    n_off_centre: int
    left_out: tuple[LeftOut, ...]
    rows: tuple[Row, ...]
    breakdowns: tuple[Breakdown, ...]
    negatives: tuple[NegativeFigures, ...]
    scenes: InteractiveFigures | None
    controls: ControlFigures
    cases: tuple[CaseScore, ...]

    def row(self, name: str) -> Row:
        """The row with that name. Raises KeyError."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that the default bundle must reach."""

    name: str
    value: float
    bound: float
    at_least: bool

    @property
    def met(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def goals(report: Report) -> tuple[Goal, ...]:
    """The figures the default bundle was built to on the development clips, with what it reaches."""
    ours = report.row(OURS).everywhere
    controls = report.controls
    found = [
        Goal("cIoU@0.5, absolute threshold", ours.success[Rule.ABSOLUTE].value, 55.0, at_least=True),
        Goal("cIoU@0.5, ground-truth area", ours.success[Rule.AREA].value, 78.0, at_least=True),
        Goal("silence, largest area on any clip", controls.silence.worst, 1.0, at_least=False),
    ]
    if ours.pointing is not None:
        found.insert(0, Goal("pointing", ours.pointing.value, 90.0, at_least=True))
    if "pink" in controls.noises:
        found.append(Goal("pink noise, mean area", controls.noises["pink"].area.value, 2.0, at_least=False))
    if controls.other_kind is not None:
        ratio = controls.other_kind.ratio.value
        found.append(Goal("sound of another kind, area / own area", ratio, 1 / 3, at_least=False))
    return tuple(found)
