"""Score any localiser on encoded cases: `evaluate_localizer`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.evaluation.answers import answer
from training.evaluation.boxes import RULES, BoxScores, make_row
from training.evaluation.breakdowns import break_down
from training.evaluation.cases import Case, Encoded, Role, groups_of
from training.evaluation.controls import flip_figures, quiet_figures, swap_figures
from training.evaluation.extended import negative_figures
from training.evaluation.kinds import differ
from training.evaluation.listening import SILENCE, Heard, Listener
from training.evaluation.others import other_sounds, partners, scenes
from training.evaluation.probes import Probes, mirror
from training.evaluation.progress import Watch, unwatched
from training.evaluation.report import (
    OURS,
    CaseScore,
    ControlFigures,
    InteractiveFigures,
    Report,
    SwapFigures,
)
from training.evaluation.sounds import Floats, Localizer
from training.evaluation.together import scene_figures, side_by_side_figures
from training.metrics.intervals import Estimate, bootstrap_mean
from training.metrics.localization import covers_centre
from training.metrics.sizes import Size, size_of

BATCH = 16  # pictures passed to a localiser at once
MOST_MIRRORED = 500
_MIRRORED_AT_ONCE = 4
_SEED = 7


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A report, and the (n, G, G) heatmap of every case under its own sound, in the order of the cases."""

    report: Report
    heatmaps: Floats


def evaluate_localizer(
    localize: Localizer,
    encoded: Encoded,
    *,
    probes: Probes | None = None,
    batch: int = BATCH,
    watch: Watch = unwatched,
) -> Evaluation:
    """Every figure of a report, from encoded cases alone.

    Args:
        localize: see `Localizer`; it is given `batch` pictures at most.
        encoded: from `gather`. Unjudged cases take part in the controls only.
        probes: sounds and pictures of the controls, from `load_probes`. Without them silence is a sound of
            zeros, and noise, mirrored and side-by-side pictures are not measured.
        batch: pictures passed to `localize` at once.
        watch: told of the progress.

    Raises:
        ValueError: if no case has a truth that it can be scored against.
    """
    if not encoded.indices(Role.SCORED):
        raise ValueError(
            f"none of {len(encoded.cases)} examples can be scored: no box or mask says where their sound is"
        )
    fed = probes or Probes(silence=encoded.sounds.nothing(), noises={})
    return _Evaluation(localize, encoded, fed, batch, watch).evaluation()


class _Evaluation:
    """One localiser on one set of cases: every answer is computed once and read by several figures."""

    def __init__(
        self, localize: Localizer, encoded: Encoded, probes: Probes, batch: int, watch: Watch
    ) -> None:
        self.localize, self.encoded, self.probes = localize, encoded, probes
        self.batch, self.watch = batch, watch
        self.cases = encoded.cases
        self.groups = groups_of(self.cases)
        self.scored = encoded.indices(Role.SCORED)
        self.heard = self._listen()
        self.other_kind = self._played(lambda case: case.kinds)

    def evaluation(self) -> Evaluation:
        groups = self.groups[self.scored]
        sizes, off_centre = self._truths()
        scores = self._scores()
        report = Report(
            n_cases=len(self.cases),
            n_scored=len(self.scored),
            n_negatives=len(self.encoded.indices(Role.NEGATIVE)),
            n_groups=len(np.unique(groups)),
            n_off_centre=int(off_centre.sum()),
            left_out=self.encoded.left_out,
            rows=tuple(
                make_row(name, of_all, off_centre=off_centre, groups=groups)
                for name, of_all in scores.items()
            ),
            breakdowns=break_down([self.cases[k] for k in self.scored], sizes, scores, groups),
            negatives=negative_figures(self.cases, self.heard, self.groups),
            scenes=scene_figures(scenes(self.cases), self.heard, self.groups),
            controls=self._controls(),
            cases=tuple(self._case_score(index) for index in range(len(self.cases))),
        )
        return Evaluation(report, np.stack([one.heatmap for one in self.heard]))

    def _listen(self) -> list[Heard]:
        listener = Listener(self.localize, self.encoded, self.probes, groups=self.groups, batch=self.batch)
        heard = []
        for index, others in enumerate(other_sounds(self.cases, self.groups)):
            heard.append(listener.hear(index, others))
            self.watch("scoring", index + 1, len(self.cases), self.cases[index].facts.id)
        return heard

    def _truths(self) -> tuple[list[Size], npt.NDArray[np.bool_]]:
        """Size of each scored truth, and whether it leaves the centre free."""
        sizes, off_centre = [], []
        for index in self.scored:
            truth = self.encoded.pictures.truth(index)
            sizes.append(size_of(truth))
            off_centre.append(not covers_centre(truth))
        return sizes, np.array(off_centre)

    def _scores(self) -> dict[str, BoxScores]:
        """By predictor, of the scored cases. One that cannot say anything of some case is left out."""
        first = self.heard[self.scored[0]].scores
        return {
            name: BoxScores.of(self.heard[index].scores[name] for index in self.scored)
            for name in first
            if all(name in self.heard[index].scores for index in self.scored)
        }

    def _played(self, classes: Callable[[Case], frozenset[str]]) -> list[npt.NDArray[np.bool_]]:
        """For each case, which of its other sounds surely are of another class."""
        return [
            np.array([differ(classes(case), classes(self.cases[other])) for other in one.others], bool)
            for case, one in zip(self.cases, self.heard, strict=True)
        ]

    def _controls(self) -> ControlFigures:
        ids = [case.facts.id for case in self.cases]
        flip_error, flip_iou = self._flip()
        return ControlFigures(
            silence=quiet_figures(SILENCE, self.heard, ids, self.groups),
            noises={
                colour: quiet_figures(colour, self.heard, ids, self.groups) for colour in self.probes.noises
            },
            other_kind=self._swap(self.other_kind),
            other_instrument=self._swap(self._played(lambda case: case.instruments)),
            flip_error=flip_error,
            flip_iou=flip_iou,
            side_by_side=self._side_by_side(),
        )

    def _swap(self, played: Sequence[npt.NDArray[np.bool_]]) -> SwapFigures | None:
        return swap_figures(self.heard, played, self.groups)

    def _flip(self) -> tuple[Estimate | None, Estimate | None]:
        see = self.probes.see
        if see is None:
            return None, None
        chosen = np.arange(len(self.cases))
        if len(chosen) > MOST_MIRRORED:
            chosen = np.sort(np.random.default_rng(_SEED).choice(chosen, MOST_MIRRORED, replace=False))
        heatmaps = []
        for start in range(0, len(chosen), _MIRRORED_AT_ONCE):
            indices = chosen[start : start + _MIRRORED_AT_ONCE]
            encoded = see(mirror(self.encoded.pictures.frames[indices]))
            for index, tokens, class_map in zip(indices, *encoded, strict=True):
                own = self.encoded.sounds.take([index])
                heatmaps.append(answer(self.localize, (tokens, class_map), own, batch=1).heatmaps[0])
            self.watch("mirrored frames", len(heatmaps), len(chosen), "")
        plain = np.stack([self.heard[index].heatmap for index in chosen])
        error, iou = flip_figures(plain, np.stack(heatmaps))
        groups = self.groups[chosen]
        return bootstrap_mean(error, groups=groups), bootstrap_mean(iou, groups=groups)

    def _side_by_side(self) -> InteractiveFigures | None:
        if self.probes.see is None:
            return None
        return side_by_side_figures(
            partners(self.cases),
            self.encoded,
            localize=self.localize,
            see=self.probes.see,
            groups=self.groups,
            batch=self.batch,
            watch=self.watch,
        )

    def _case_score(self, index: int) -> CaseScore:
        case, heard = self.cases[index], self.heard[index]
        ours, others = heard.scores.get(OURS), self.other_kind[index]
        return CaseScore(
            id=case.facts.id,
            label=case.label,
            role=str(case.role),
            time_s=case.time_s,
            pointing=None if ours is None else bool(ours.hit),
            iou=None if ours is None else dict(zip(RULES, ours.iou.tolist(), strict=True)),
            truth_area=None if ours is None else float(100 * self.encoded.pictures.truth(index).mean()),
            own_area=heard.area,
            silence_area=float(heard.quiet[SILENCE].areas.max()),
            swapped_area=float(heard.other_areas[others].mean()) if others.any() else None,
            presence=heard.presence,
        )
