"""One picture under every sound that is played to it: its own, those of others, and those of the controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from training.evaluation.answers import Answers, answer
from training.evaluation.boxes import MapScore, score_maps, score_mask
from training.evaluation.cases import Encoded
from training.evaluation.others import Indices
from training.evaluation.probes import Probes
from training.evaluation.report import (
    CENTRE_DISC,
    CENTRED_SQUARE,
    OURS,
    PRIOR,
    SHUFFLED,
    VISION_ONLY,
    WHOLE_IMAGE,
)
from training.evaluation.sounds import Floats, Localizer, join
from training.metrics.baselines import centre_disc, centred_square, whole_image
from training.metrics.controls import area_marked, false_alarm
from training.metrics.intervals import Groups
from training.metrics.masks import SIDE, upsample
from training.metrics.negatives import confidence

SILENCE = "silence"
SQUARE = 0.5  # share of the picture

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quiet:
    """A picture under K sounds that nothing in sight makes: percent marked, and whether any cell is."""

    areas: Numbers
    alarms: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of one case.

    Attributes:
        heatmap: (G, G) under its own sound.
        presence: under its own sound.
        confidence, deaf_confidence: of the own and of the vision-only map, see `metrics.negatives`.
        area: percent marked under its own sound.
        others: (K,) the cases whose sound was played to it.
        other_areas, other_presence: (K,) percent marked and presence under these.
        quiet: by the name of the control.
        scores: by the name of the predictor; empty unless scored.
    """

    heatmap: Floats
    presence: float
    confidence: float
    deaf_confidence: float
    area: float
    others: Indices
    other_areas: Numbers
    other_presence: Floats
    quiet: Mapping[str, Quiet]
    scores: Mapping[str, MapScore]


class Listener:
    """Plays sounds to the pictures of a set of cases, one picture at a time so that memory stays small."""

    def __init__(
        self, localize: Localizer, encoded: Encoded, probes: Probes, *, groups: Groups, batch: int
    ) -> None:
        self._localize, self._encoded, self._batch = localize, encoded, batch
        controls = {SILENCE: probes.silence, **probes.noises}
        self._shared = join([encoded.sounds.all_at_once(), *controls.values()])
        self._lengths = {name: len(sounds) for name, sounds in controls.items()}
        self._baselines = _Baselines(encoded, groups)

    def hear(self, index: int, others: Indices) -> Heard:
        """Play to one case its own sound, those of the others, all at once, and those of the controls."""
        sounds = self._encoded.sounds
        played = join([sounds.take([index]), sounds.take(others), self._shared])
        answers = answer(self._localize, self._encoded.pictures.encoded(index), played, batch=self._batch)
        own, swapped = answers.part(0, 1), answers.part(1, 1 + len(others))
        deaf = answers.part(1 + len(others), 2 + len(others))
        own_maps, deaf_maps = upsample(own.heatmaps), upsample(deaf.heatmaps)
        scores: dict[str, MapScore] = {}
        if self._encoded.cases[index].scored:
            truth = self._encoded.pictures.truth(index)
            scores[OURS] = score_maps(truth, own_maps)
            scores |= self._baselines.scores(index, truth)
            scores[VISION_ONLY] = score_maps(truth, deaf_maps)
            if len(others):
                scores[SHUFFLED] = score_maps(truth, upsample(swapped.heatmaps))
        return Heard(
            heatmap=own.heatmaps[0],
            presence=float(own.presence[0]),
            confidence=confidence(own_maps[0]),
            deaf_confidence=confidence(deaf_maps[0]),
            area=float(100 * area_marked(own.heatmaps)[0]),
            others=others,
            other_areas=100 * area_marked(swapped.heatmaps),
            other_presence=swapped.presence,
            quiet=self._quiet(answers.part(2 + len(others), len(played))),
            scores=scores,
        )

    def _quiet(self, answers: Answers) -> dict[str, Quiet]:
        found, start = {}, 0
        for name, length in self._lengths.items():
            maps = answers.part(start, start + length).heatmaps
            found[name] = Quiet(100 * area_marked(maps), false_alarm(maps))
            start += length
        return found


class _Baselines:
    """The predictors that look at nothing. The mean truth is that of the cases of all other groups, so that
    it has not seen the answer."""

    def __init__(self, encoded: Encoded, groups: Groups) -> None:
        pictures = encoded.pictures
        members: dict[int, list[int]] = {}
        for index, case in enumerate(encoded.cases):
            if case.scored:
                members.setdefault(int(groups[index]), []).append(index)

        def total(indices: list[int]) -> Numbers:
            summed = np.zeros((SIDE, SIDE))
            for index in indices:
                summed += pictures.truth(index)
            return summed

        self._groups = groups
        self._members = members
        self._n = sum(map(len, members.values()))
        self._all = total([index for indices in members.values() for index in indices])
        self._of_group = lru_cache(maxsize=8)(lambda group: total(members[group]))

    def scores(self, index: int, truth: Floats) -> dict[str, MapScore]:
        scores = {
            WHOLE_IMAGE: score_mask(truth, whole_image() > 0),
            CENTRED_SQUARE: score_mask(truth, centred_square(SQUARE)),
            CENTRE_DISC: score_maps(truth, centre_disc()[None]),
        }
        group = int(self._groups[index])
        n_others = self._n - len(self._members[group])
        if n_others:
            prior = (self._all - self._of_group(group)) / n_others
            scores[PRIOR] = score_maps(truth, prior[None])
        return scores
