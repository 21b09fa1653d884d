"""Score any localiser on cached clips: `evaluate_localizer`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from training.evaluation.answers import Answers, Picture, answer_each, answer_own
from training.evaluation.boxes import RULES, BoxScores, make_row, score_maps
from training.evaluation.controls import flip_figures, interactive_figures, quiet_figures, swap_figures
from training.evaluation.features import ClipFeatures, Floats, Localizer, Probes
from training.evaluation.kinds import differ
from training.evaluation.report import (
    CENTRE_DISC,
    OURS,
    SHUFFLED,
    VISION_ONLY,
    WHOLE_IMAGE,
    ClipScore,
    ControlFigures,
    InteractiveFigures,
    Report,
    Row,
)
from training.metrics.baselines import centre_disc, whole_image
from training.metrics.controls import area_marked
from training.metrics.intervals import bootstrap_mean
from training.metrics.localization import covers_centre
from training.metrics.masks import Mask, rasterize, upsample


def evaluate_localizer(
    localize: Localizer, cached: Sequence[ClipFeatures], *, probes: Probes | None = None, batch: int = 16
) -> Report:
    """Every figure of a report, from features alone.

    Args:
        localize: (tokens (N, G, G, Dv), class_map (N, H, W, C), events (N, E)), float32 and contiguous, to
            (heatmap (N, G, G), presence (N,)). N is `batch` at most.
        cached: from `load_clip_features`. Weak clips take part in the controls only.
        probes: sounds and pictures of the controls, from `load_probes`. Without them silence is an all-zero
            event vector, and noise, flip and side-by-side pictures are not measured.
        batch: frames passed to `localize` at once.

    Raises:
        ValueError: if no clip has boxes that can be trusted.
    """
    if not any(clip.scored for clip in cached):
        raise ValueError("none of the clips has boxes that can be trusted")
    fed = probes or Probes(silence=np.zeros((1, cached[0].events.size), np.float32), noises={})
    return _Evaluation(localize, cached, fed, batch).report()


def everything_at_once(sounds: Floats) -> Floats:
    """(K, E) to (E,): the largest score of each event over all sounds.

    With it the localiser marks whatever could sound: what a deaf but otherwise equal model would give.
    """
    return np.asarray(sounds.max(axis=0), np.float32)


class _Evaluation:
    """One localiser on one set of clips: every answer is computed once and read by several figures."""

    def __init__(
        self, localize: Localizer, clips: Sequence[ClipFeatures], probes: Probes, batch: int
    ) -> None:
        self.localize, self.clips, self.probes, self.batch = localize, clips, probes, batch
        self.pictures: list[Picture] = [(clip.tokens, clip.class_map) for clip in clips]
        self.sounds = np.stack([clip.events for clip in clips])
        self.deaf_sound = everything_at_once(self.sounds)[None]
        self.scored = [index for index, clip in enumerate(clips) if clip.scored]
        self.truths = [rasterize(clips[k].boxes) for k in self.scored]
        self.off_centre = np.array([not covers_centre(truth) for truth in self.truths])
        self.each = self._answer(self.pictures, self.sounds)  # (n, n): the diagonal is the right sound
        self.silent = self._answer(self.pictures, probes.silence)
        self.areas = 100 * area_marked(self.each.heatmaps)
        self.other_kind = self._pairs([clip.kinds for clip in clips])
        self.ours = score_maps(self.truths, self._own_maps)

    def report(self) -> Report:
        return Report(
            n_clips=len(self.clips),
            n_scored=len(self.scored),
            n_off_centre=int(self.off_centre.sum()),
            rows=self._rows(),
            controls=self._controls(),
            clips=tuple(self._clip_score(k) for k in range(len(self.clips))),
        )

    def _answer(self, pictures: Sequence[Picture], sounds: Floats) -> Answers:
        return answer_each(self.localize, pictures, sounds, batch=self.batch)

    def _pairs(self, classes: list[frozenset[str]]) -> npt.NDArray[np.bool_]:
        return np.array([[differ(picture, sound) for sound in classes] for picture in classes])

    def _own_maps(self, row: int) -> npt.NDArray[np.floating]:
        clip = self.scored[row]
        return upsample(self.each.heatmaps[clip, clip])[None]

    def _shuffled_maps(self, row: int) -> npt.NDArray[np.floating]:
        clip = self.scored[row]
        return upsample(np.delete(self.each.heatmaps[clip], clip, axis=0))

    def _rows(self) -> tuple[Row, ...]:
        deaf = self._answer([self.pictures[k] for k in self.scored], self.deaf_sound)
        named: list[tuple[str, BoxScores]] = [
            (OURS, self.ours),
            (WHOLE_IMAGE, score_maps(self.truths, lambda _: whole_image()[None])),
            (CENTRE_DISC, score_maps(self.truths, lambda _: centre_disc()[None])),
            (VISION_ONLY, score_maps(self.truths, lambda row: upsample(deaf.heatmaps[row]))),
        ]
        if len(self.clips) > 1:
            named.append((SHUFFLED, score_maps(self.truths, self._shuffled_maps)))
        return tuple(make_row(name, scores, off_centre=self.off_centre) for name, scores in named)

    def _controls(self) -> ControlFigures:
        files = [clip.file for clip in self.clips]
        other_instrument = self._pairs([clip.instruments for clip in self.clips])
        flip_error, flip_iou = self._flip()
        return ControlFigures(
            silence=quiet_figures(self.silent, files),
            noises={
                colour: quiet_figures(self._answer(self.pictures, events), files)
                for colour, events in self.probes.noises.items()
            },
            other_kind=swap_figures(self.areas, self.each.presence, self.other_kind),
            other_instrument=swap_figures(self.areas, self.each.presence, other_instrument),
            flip_error=None if flip_error is None else bootstrap_mean(flip_error),
            flip_iou=None if flip_iou is None else bootstrap_mean(flip_iou),
            interactive=self._interactive(),
        )

    def _flip(self) -> tuple[npt.NDArray[np.float64] | None, npt.NDArray[np.float64] | None]:
        if not self.probes.flipped:
            return None, None
        diagonal = np.arange(len(self.clips))
        plain = Answers(
            self.each.heatmaps[diagonal, diagonal][:, None], self.each.presence[diagonal, diagonal][:, None]
        )
        mirrored = answer_own(self.localize, self.probes.flipped, self.sounds, batch=self.batch)
        return flip_figures(plain, mirrored)

    def _interactive(self) -> InteractiveFigures | None:
        pairs = self.probes.pairs
        if not pairs:
            return None
        truths = [rasterize(boxes) for pair in pairs for boxes in pair.boxes(self.clips)]
        maps, deaf = [], []
        for pair in pairs:
            picture = [(pair.tokens, pair.class_map)]
            maps.extend(self._answer(picture, self.sounds[[pair.left, pair.right]]).heatmaps[0])
            deaf.extend([self._answer(picture, self.deaf_sound).heatmaps[0, 0]] * 2)
        ours = score_maps(truths, lambda row: upsample(maps[row])[None])
        saliency = score_maps(truths, lambda row: upsample(deaf[row])[None])
        shape = (len(pairs), 2)
        return interactive_figures(
            ours.hits.reshape(shape),
            ours.ious.reshape(*shape, len(RULES)),
            saliency.ious.reshape(*shape, len(RULES)),
        )

    def _clip_score(self, index: int) -> ClipScore:
        clip = self.clips[index]
        others = self.other_kind[index]
        row = self.scored.index(index) if clip.scored else None
        return ClipScore(
            file=clip.file,
            sounds=clip.sounds,
            tier=clip.tier,
            pointing=None if row is None else bool(self.ours.hits[row, 0]),
            iou=None if row is None else dict(zip(RULES, self.ours.ious[row, 0].tolist(), strict=True)),
            truth_area=None if row is None else _percent(self.truths[row]),
            own_area=float(self.areas[index, index]),
            silence_area=float(100 * area_marked(self.silent.heatmaps[index]).max()),
            swapped_area=float(self.areas[index][others].mean()) if others.any() else None,
            presence=float(self.each.presence[index, index]),
        )


def _percent(mask: Mask) -> float:
    return float(100 * mask.mean())
