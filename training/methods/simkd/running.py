"""From caches to a trained student."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnxruntime
import torch
import typer
from torch import Tensor, nn

from training.cache.index import CacheError
from training.cache.reading import Cache
from training.encoders.efficientnet_lite import load_efficientnet_lite
from training.encoders.frozen import freeze
from training.guided.calibrator import GRID
from training.guided.localizer import load_localizer
from training.loop.checkpoint import CheckpointError
from training.loop.fitting import Fitted, RunOptions, fit
from training.loop.loading import TrainingData
from training.loop.memory import give_back_large_blocks
from training.loop.seeding import seed_all
from training.methods.running import fitting_batch, open_parts
from training.methods.simkd.config import SimkdConfig
from training.methods.simkd.lessons import Lessons, RunTrunk
from training.methods.simkd.loading import load_student
from training.methods.simkd.module import Simkd, fresh_localizer
from training.methods.simkd.student import Shapes, Student
from training.onnx_graph import to_onnx


@dataclass(frozen=True, slots=True)
class Request:
    """What to train, and on what.

    Attributes:
        config: see there.
        caches: directories or URLs, with frames and class maps; their encoder is the teacher. The splits
            train and val of them are used, test never.
        run: how.
        heard_only: learn only from frames at whose time something is heard, as the objectives other than
            `simkd` do anyway.
        start: checkpoint of a student whose weights this one starts from, with a schedule of its own; None
            starts from the published backbone.
    """

    config: SimkdConfig
    caches: tuple[Path | str, ...]
    run: RunOptions
    heard_only: bool = False
    start: Path | None = None


def train(request: Request, *, say: Callable[[str], None] = typer.echo) -> Fitted:
    """Train a student.

    Raises:
        CacheError: a cache cannot be read, has no training or validation part, lacks frames or class maps, or
            was made with a bundle whose class map or heads are not those of the student.
        CheckpointError: the student to start from is none, or has other layers.
        WeightsMissing: run `earsight-train fetch-weights` first.
        LoopError: see `training.loop.fitting.fit`.
    """
    give_back_large_blocks()
    config, run = request.config, request.run
    learns_features = config.objective == "simkd"
    parts = open_parts(request.caches)
    seed_all(run.seed)
    backbone = load_efficientnet_lite("lite0")
    shapes = shapes_of(parts[0], n_classes=backbone.fc.out_features)
    if not learns_features or config.heat_weight:
        _check_heads(parts[0], shapes)
    student = Student(backbone, shapes, reduction=config.reduction, frozen=config.frozen)
    if request.start is not None:
        _go_on_from(request.start, student)
    run_trunk = trunk_runner(student, config.side)
    heard_only = request.heard_only or not learns_features
    train_set, val_set = (Lessons(part, run_trunk, side=config.side, heard_only=heard_only) for part in parts)
    module = Simkd(
        config,
        student,
        localizer=None if learns_features else fresh_localizer(load_localizer()),
        teacher=freeze(load_localizer()) if config.objective == "logits" or config.heat_weight else None,
    )
    module.train()  # the trunk was exported in evaluation mode, and Lightning leaves every part as it is
    say(f"{len(train_set)} frames to learn from, views included; {len(val_set)} to validate by")
    batch = fitting_batch(config.batch, len(train_set))
    return fit(module, TrainingData(train_set, val_set, batch), run, say=say)


def trunk_runner(student: Student, side: int) -> RunTrunk:
    """The frozen blocks as a graph in ONNX Runtime, which on a CPU is several times as quick as PyTorch."""

    class Trunk(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.student = student

        def forward(self, frames: Tensor) -> Tensor:
            return self.student.trunk(frames)

    example = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    graph = to_onnx(Trunk().eval(), {"frames": example}, outputs=("trunk",))
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda frames: session.run(["trunk"], {"frames": frames})[0]


def shapes_of(cache: Cache, *, n_classes: int) -> Shapes:
    """What the teacher of a cache gives. Raises CacheError if its class map has other than `n_classes`."""
    arrays = cache.arrays(0, ("tokens", "class_map"))
    *_, grid, _, token = arrays["tokens"].shape
    *_, cells, found = arrays["class_map"].shape
    if found != n_classes:
        raise CacheError(
            f"the class maps of the cache tell {found} classes, those of a student {n_classes}: make the"
            " cache with a bundle whose class map is of ImageNet"
        )
    return Shapes(grid, token, cells)


def _go_on_from(checkpoint: Path, student: Student) -> None:
    """Raises CheckpointError."""
    earlier, _ = load_student(checkpoint)
    if earlier.frozen != student.frozen:
        raise CheckpointError(f"{checkpoint} has {earlier.frozen} frozen blocks, not {student.frozen}")
    try:
        student.load_state_dict(earlier.state_dict())
    except RuntimeError as error:
        raise CheckpointError(f"{checkpoint} holds a student of other layers: {error}") from error


def _check_heads(cache: Cache, shapes: Shapes) -> None:
    """Raises CacheError if the guided localiser, of whatever weights, does not read what a cache holds."""
    localizer = load_localizer()
    wanted = GRID, len(localizer.calibrator.token_mean), len(localizer.evidence.hearing.thresholds)
    found = shapes.grid, shapes.token, cache.arrays(0, ("events",))["events"].shape[-1]
    if found != wanted:
        told = ("{0} x {0} tokens of {1} and {2} events".format(*sizes) for sizes in (wanted, found))
        raise CacheError("a localiser of {} is trained with this objective, the cache holds {}".format(*told))
