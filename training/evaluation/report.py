"""What an evaluation says. Shares, areas and AUCs are in percent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from training.metrics.intervals import Estimate
from training.metrics.localization import Rule

OURS = "ours"
WHOLE_IMAGE = "whole image"
CENTRE_DISC = "centre disc"
VISION_ONLY = "vision only"
SHUFFLED = "shuffled audio"


@dataclass(frozen=True, slots=True)
class BoxFigures:
    """Figures against boxes.

    Attributes:
        pointing: share of clips whose maximum lies in a box; None for a predictor that points nowhere.
        success: by binarisation rule, share of clips with a cIoU of 0.5 or more ("cIoU" in papers).
        auc: by binarisation rule, area under success over the 21 thresholds.
        mean_iou: mean cIoU at the absolute threshold.
    """

    pointing: Estimate | None
    success: Mapping[Rule, Estimate]
    auc: Mapping[Rule, Estimate]
    mean_iou: Estimate


@dataclass(frozen=True, slots=True)
class Row:
    """A predictor on all scored clips, and on those whose centre lies outside the boxes, if any."""

    name: str
    everywhere: BoxFigures
    off_centre: BoxFigures | None


@dataclass(frozen=True, slots=True)
class QuietFigures:
    """What is marked when nothing in sight sounds: silence, or one colour of noise.

    Attributes:
        area: mean area marked.
        worst, worst_file: largest area marked on any clip under any seed and level, and on which clip.
        false_alarms: share of maps with a cell at 0.5 or above.
    """

    area: Estimate
    worst: float
    worst_file: str
    false_alarms: Estimate


@dataclass(frozen=True, slots=True)
class SwapFigures:
    """The right sound against the sounds of other clips, on the same frames.

    Attributes:
        own_area, swapped_area: mean area marked; each clip counts once, as the mean over the other sounds.
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
    """Two clips side by side: is each sound found on its own half?

    Attributes:
        pointing_both: share of pictures in which both maxima lie in the right boxes.
        iiou, iauc: both sources succeed at the absolute threshold.
        iiou_area: the same at the ground-truth area.
        iiou_saliency: `iiou_area` of the vision-only map, which cannot tell the sounds apart.
    """

    pointing_both: Estimate
    iiou: Estimate
    iauc: Estimate
    iiou_area: Estimate
    iiou_saliency: Estimate


@dataclass(frozen=True, slots=True)
class ControlFigures:
    """Does the map follow the sound? A None was not measured."""

    silence: QuietFigures
    noises: Mapping[str, QuietFigures]
    other_kind: SwapFigures | None
    other_instrument: SwapFigures | None
    flip_error: Estimate | None
    flip_iou: Estimate | None
    interactive: InteractiveFigures | None


@dataclass(frozen=True, slots=True)
class ClipScore:
    """One clip, for finding out what goes wrong. cIoU in [0, 1], areas in percent; None on a weak clip."""

    file: str
    sounds: str
    tier: str
    pointing: bool | None
    iou: Mapping[Rule, float] | None
    truth_area: float | None
    own_area: float
    silence_area: float
    swapped_area: float | None
    presence: float


@dataclass(frozen=True, slots=True)
class Report:
    """Rows are ours, then the predictors that must stand beside it."""

    n_clips: int
    n_scored: int
    n_off_centre: int
    rows: tuple[Row, ...]
    controls: ControlFigures
    clips: tuple[ClipScore, ...]

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
    """The figures the default bundle was built to, with what it reaches."""
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
        found.append(
            Goal(
                "sound of another kind, area / own area",
                controls.other_kind.ratio.value,
                1 / 3,
                at_least=False,
            )
        )
    return tuple(found)


def summary(report: Report) -> str:
    """The figures that decide, in a few lines of plain text."""
    ours, controls = report.row(OURS), report.controls
    lines = [f"{report.n_scored} scored clips of {report.n_clips}, {report.n_off_centre} off centre"]
    for row in report.rows:
        figures = row.everywhere
        pointing = "    -" if figures.pointing is None else f"{figures.pointing.value:5.1f}"
        success = "  ".join(f"{rule} {figures.success[rule].value:5.1f}" for rule in Rule)
        lines.append(f"{row.name:15} point {pointing}  {success}  mIoU {figures.mean_iou.value:5.1f}")
    if ours.off_centre is not None:
        success = "  ".join(f"{rule} {ours.off_centre.success[rule].value:5.1f}" for rule in Rule)
        lines.append(f"{'ours, off centre':15} {success}")
    lines.append(f"silence worst {controls.silence.worst:.2f} on {controls.silence.worst_file}")
    for colour, quiet in controls.noises.items():
        lines.append(f"{colour} noise {quiet.area.value:.2f}, worst {quiet.worst:.1f} on {quiet.worst_file}")
    for name, swap in (("kind", controls.other_kind), ("instrument", controls.other_instrument)):
        if swap is not None:
            lines.append(
                f"other {name}: area {swap.swapped_area.value:.1f} against {swap.own_area.value:.1f}"
                f" (ratio {swap.ratio.value:.2f}), presence AUC {swap.presence_auc.value:.1f},"
                f" fires {swap.fires_own.value:.0f} own, {swap.fires_swapped.value:.0f} swapped"
            )
    return "\n".join(lines)
