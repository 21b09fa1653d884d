"""Arms of a trial of SimKD: students behind the teacher's head, or with a head of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from app.inference.bundle import Bundle
from training.cache.index import CacheError
from training.cache.reading import Cache
from training.evaluation.models import as_localizer
from training.evaluation.sounds import Localizer
from training.methods.simkd.lessons import shrunk
from training.methods.simkd.loading import load_student
from training.methods.simkd.running import Request, train
from training.methods.simkd.student import Student
from training.trial.arms import Arm
from training.trial.gallery import Gallery
from training.trial.report import GalleryReport, report_on
from training.trial.runs import best_checkpoint

TEACHER = "teacher"
NAMES = {"simkd": "SimKD", "logits": "logit distillation", "alone": "student alone"}
"""Objective to the name of its arm."""
_BATCH = 16


def trained_student(request: Request, *, say: Callable[[str], None]) -> Path:
    """The checkpoint of the best epoch. Raises what `training.methods.simkd.running.train` raises."""
    return best_checkpoint(request.run, lambda run: train(replace(request, run=run), say=say), say=say)


def compare(
    gallery: Gallery, cache: Cache, students: dict[str, Sequence[Path]], *, bundle: Bundle, side: int
) -> GalleryReport:
    """Students of each objective, one a seed, beside their teacher and predictors without a model.

    Args:
        gallery: of the cache.
        cache: with frames and class maps, see `need_pictures`.
        students: objective to checkpoints, that of SimKD among them.
        bundle: the teacher; its localiser is what SimKD's students are used with.
        side: of the students' frames.
    """
    frames = torch.stack(
        [
            shrunk(cache.arrays(example, ("frames",))["frames"][frame], side)
            for example, frame in gallery.places
        ]
    )
    arms = [Arm(TEACHER, [gallery.scores(gallery.maps(bundle.localize))])]
    for objective, checkpoints in students.items():
        scores = []
        for path in checkpoints:
            student, own = load_student(path)
            head: Localizer = bundle.localize if own is None else as_localizer(own)
            scores.append(gallery.scores(seen_by(student, gallery, frames).maps(head)))
        arms.append(Arm(NAMES[objective], scores))
    arms += [Arm(name, [scores]) for name, scores in gallery.trivial().items()]
    others = [NAMES[objective] for objective in students if objective != "simkd"]
    return report_on(gallery, arms, own=NAMES["simkd"], controls=(*others, TEACHER))


def need_pictures(cache: Cache, name: str) -> None:
    """Raises CacheError, which calls the cache so, if a student or its teacher's head could not be fed."""
    if "raw" not in cache.fields:
        raise CacheError(f"{name} holds no frames: make it anew with --fields class_map,raw")
    cache.need_class_maps(name)


@torch.inference_mode()
def seen_by(student: Student, gallery: Gallery, frames: torch.Tensor) -> Gallery:
    """The gallery with what a student makes of its frames (N, side, side, 3)."""
    parts = [student(some) for some in frames.split(_BATCH)]
    tokens, class_map = (torch.cat(part) for part in zip(*parts, strict=True))
    return replace(gallery, moments={**gallery.moments, "tokens": tokens, "class_map": class_map})
