"""Students from checkpoints."""

from __future__ import annotations

from pathlib import Path

from training.encoders.efficientnet_lite import EfficientNetLite
from training.encoders.frozen import freeze
from training.guided.localizer import GuidedLocalizer, load_localizer
from training.loop.checkpoint import Checkpoint, CheckpointError, read_checkpoint
from training.loop.config import ConfigError, load_config
from training.methods.simkd.config import SimkdConfig
from training.methods.simkd.module import Simkd
from training.methods.simkd.student import Shapes, Student


def load_student(path: Path) -> tuple[Student, GuidedLocalizer | None]:
    """The student of a checkpoint, frozen, and the localiser trained with it; None with `simkd`.

    Raises CheckpointError: the file is no checkpoint of a student.
    """
    checkpoint = read_checkpoint(path)
    if checkpoint.method != Simkd.method:
        raise CheckpointError(f"{path} holds {checkpoint.method}, not a student")
    try:
        module = _build(checkpoint)
        module.load_state_dict(checkpoint.state)
    except (KeyError, TypeError, ConfigError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not fit simkd as it is here; was it made by another version? {error}"
        ) from error
    freeze(module)
    return module.student, module.localizer


def _build(checkpoint: Checkpoint) -> Simkd:
    config = load_config(SimkdConfig, overrides=checkpoint.config)
    student = Student(
        EfficientNetLite("lite0"),
        Shapes(*checkpoint.about["shapes"]),
        reduction=config.reduction,
        frozen=config.frozen,
    )
    return Simkd(config, student, localizer=None if config.objective == "simkd" else load_localizer())
