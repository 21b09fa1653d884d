"""The arms of a trial: what is trained, its controls, and predictors that were never trained on sound."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader

from app.inference.bundle import Bundle
from training.checkpoints import load_localizer
from training.evaluation.boxes import MapScore
from training.evaluation.models import as_localizer
from training.methods.localiser import AudioVisualLocaliser
from training.methods.moments import as_it_is
from training.methods.running import Request, prepare, train
from training.methods.saliency import saliency
from training.trial.gallery import Gallery
from training.trial.runs import best_checkpoint

TRAINED, ELSEWHERE = "trained", "trained, another's sound"
SHUFFLED, UNTRAINED = "trained on shuffled audio", "untrained"
GUIDED, GUIDED_ELSEWHERE = "guided localiser", "guided localiser, another's sound"
SALIENCY = "saliency, no sound"


@dataclass(frozen=True, slots=True)
class Arm:
    """A row of a trial: the scores of each moment under each seed, (seeds, N)."""

    name: str
    scores: list[list[MapScore]]

    def mean(self) -> list[MapScore]:
        """(N,) scores, the means over the seeds."""
        return [_mean(one) for one in zip(*self.scores, strict=True)]

    def pointing(self) -> np.ndarray:
        """(seeds, N) whether the maximum lies on the source."""
        return np.array([[score.hit for score in scores] for scores in self.scores])


def trained_checkpoint(request: Request, *, say: Callable[[str], None]) -> Path:
    """The checkpoint of the best epoch. Raises what `training.methods.running.train` raises."""
    return best_checkpoint(request.run, lambda run: train(replace(request, run=run)), say=say)


def untrained(request: Request) -> AudioVisualLocaliser:
    """The method as it is before the first step, its inputs scaled and its maps calibrated."""
    prepared = prepare(request)
    module = prepared.module
    module.calibrate(DataLoader(prepared.data.val, batch_size=request.config.batch, collate_fn=as_it_is))
    return module.eval()


def learned_arms(
    gallery: Gallery, trained: Iterable[Path], shuffled: Iterable[Path], naive: Iterable[AudioVisualLocaliser]
) -> list[Arm]:
    """Rows of a method: trained, the same hearing another moment's sound, and its two controls."""
    others = gallery.others()
    mine, confused = ([as_localizer(load_localizer(path)) for path in paths] for paths in (trained, shuffled))
    return [
        Arm(TRAINED, [gallery.scores(gallery.maps(one)) for one in mine]),
        Arm(ELSEWHERE, [gallery.scores(gallery.maps(one, sounds=others)) for one in mine]),
        Arm(SHUFFLED, [gallery.scores(gallery.maps(one)) for one in confused]),
        Arm(UNTRAINED, [gallery.scores(gallery.maps(as_localizer(one))) for one in naive]),
    ]


def fixed_arms(gallery: Gallery, bundle: Bundle) -> list[Arm]:
    """Rows that no seed changes: the bundle's localiser, saliency, and predictors without a model."""
    own = gallery.maps(bundle.localize)
    elsewhere = gallery.maps(bundle.localize, sounds=gallery.others())
    deaf = saliency(gallery.moments["tokens"].float()).numpy()
    rows = [(GUIDED, own), (GUIDED_ELSEWHERE, elsewhere), (SALIENCY, deaf)]
    return [
        *(Arm(name, [gallery.scores(maps)]) for name, maps in rows),
        *(Arm(name, [scores]) for name, scores in gallery.trivial().items()),
    ]


def _mean(scores: tuple[MapScore, ...]) -> MapScore:
    return MapScore(
        points=any(score.points for score in scores),
        hit=float(np.mean([score.hit for score in scores])),
        mass=float(np.mean([score.mass for score in scores])),
        iou=np.mean([score.iou for score in scores], axis=0),
        success=np.mean([score.success for score in scores], axis=0),
        auc=np.mean([score.auc for score in scores], axis=0),
    )
