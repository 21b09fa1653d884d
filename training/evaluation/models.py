"""What is measured: the localiser of a bundle, or that of a checkpoint behind the encoders of a bundle."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.inference.bundle import Bundle, find_bundle, load_bundle
from app.inference.manifest import sha256_of
from app.settings import InferenceSettings
from training.evaluation.sounds import Floats, Localizer

if TYPE_CHECKING:
    from torch import nn

    LoadCheckpoint = Callable[[Path], nn.Module]


_INPUTS = ("tokens", "class_map", "events", "embedding")


@dataclass(frozen=True, slots=True)
class Model:
    """A localiser and the bundle whose encoders feed it.

    Attributes:
        bundle: encodes.
        localize: answers.
        checkpoint: file name of the checkpoint; empty if the localiser is that of the bundle.
        checkpoint_sha256: of that file.
    """

    bundle: Bundle
    localize: Localizer
    checkpoint: str = ""
    checkpoint_sha256: str = ""


def open_model(
    bundle_name: str,
    settings: InferenceSettings,
    *,
    checkpoint: Path | None = None,
    load: LoadCheckpoint | None = None,
) -> Model:
    """Load what is to be measured.

    Args:
        bundle_name: of the bundle.
        settings: where bundles are and on which device they run.
        checkpoint: of a trained method; None measures the bundle's own localiser.
        load: gives the module of a checkpoint, see `as_localizer`; None takes that of `training.checkpoints`.

    Raises:
        NotFound, BundleError, ModelNotReady: there is no such bundle, or it cannot be used.
        OSError, ValueError: the checkpoint cannot be read.
    """
    bundle = load_bundle(find_bundle(bundle_name, settings), settings)
    if checkpoint is None:
        return Model(bundle, bundle.localize)
    if not checkpoint.is_file():
        raise FileNotFoundError(f"there is no checkpoint {checkpoint}")
    module = (load or _load_checkpoint)(checkpoint)
    return Model(bundle, as_localizer(module), checkpoint.name, sha256_of(checkpoint))


def _load_checkpoint(path: Path) -> nn.Module:
    from training.checkpoints import load_localizer

    return load_localizer(path)


def as_localizer(module: nn.Module) -> Localizer:
    """A PyTorch module as a function of arrays, in evaluation mode and without gradients.

    As a graph of a bundle it is given those inputs of a `Localizer` that its `forward` names.
    """
    import torch

    module.eval()
    read = inspect.signature(module.forward).parameters

    def localize(*inputs: Floats) -> tuple[Floats, Floats]:
        given = dict(zip(_INPUTS, map(torch.from_numpy, inputs), strict=True))
        with torch.inference_mode():
            heatmap, presence = module(**{name: given[name] for name in read})
        return heatmap.float().numpy(), presence.float().numpy()

    return localize
