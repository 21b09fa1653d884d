"""A bundle from the checkpoint of a trained localiser."""

from __future__ import annotations

import datetime
import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.inference.manifest import Manifest, Precision, Weights, sha256_of
from training.checkpoints import load_method
from training.encoders.dinov2 import fixed_size, load_dinov2
from training.encoders.frozen import freeze
from training.encoders.visual import FRAME_SIZE
from training.encoders.weights import DINOV2, YAMNET
from training.encoders.yamnet import load_yamnet
from training.export import Networks, export_bundle
from training.loop.checkpoint import Checkpoint, read_checkpoint
from training.manifest import fill_manifest, provenance

_SAMPLING = {"sample_fps": 3.0, "hop_samples": 7680, "context_s": 2.0}


@dataclass(frozen=True, slots=True)
class Description:
    """What only the one who trained a checkpoint can say.

    Attributes:
        name: of the bundle, as the service calls it.
        version: of the bundle.
        licence: of the trained weights.
        training_data: a line for each source of training data, with its licence.
    """

    name: str
    version: str = "0.1.0"
    licence: str = "not stated"
    training_data: tuple[str, ...] = ("not stated",)


def export_checkpoint(
    checkpoint_path: Path,
    out: Path,
    *,
    description: Description,
    precision: Precision = "int8",
    say: Callable[[str], None] | None = None,
) -> Manifest:
    """Write a bundle whose localiser is that of a checkpoint.

    Raises:
        CheckpointError: the file is no checkpoint of a localiser.
        WeightsMissing: run `earsight-train fetch-weights` first.
    """
    checkpoint = read_checkpoint(checkpoint_path)
    networks = _networks(checkpoint, checkpoint_path)

    def describe(directory: Path) -> Manifest:
        return _manifest(directory, checkpoint, checkpoint_path, description)

    return export_bundle(out, precision=precision, networks=networks, describe=describe, say=say)


def command_of(method: str, config: Mapping[str, Any]) -> str:
    """The command that trains a method with a configuration, its data left out."""
    values = (f"--set {key}={shlex.quote(json.dumps(value))}" for key, value in config.items())
    return " ".join(("earsight-train", method, *values))


class Tokens(nn.Module):
    """The visual graph of a bundle whose localiser does not look at classes: its class map holds one."""

    def __init__(self, tokens: nn.Module) -> None:
        super().__init__()
        self.tokens = tokens

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (N, S, S, 3) uint8 to tokens (N, G, G, Dv) and a class map (N, 1, 1, 1) of ones."""
        pictures = functional.avg_pool2d(frames.permute(0, 3, 1, 2).float(), 2)
        tokens = self.tokens(pictures)
        return tokens, torch.ones_like(tokens[:, :1, :1, :1])


class TwoEars(nn.Module):
    """Names of what is heard from one audio encoder, the embedding from another."""

    def __init__(self, names: nn.Module, codes: nn.Module) -> None:
        super().__init__()
        self.names = names
        self.codes = codes

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Windows (W, n) to scores (W, E) and embedding (W, Da)."""
        return self.names(windows)[0], self.codes(windows)[1]


def _networks(checkpoint: Checkpoint, path: Path) -> Networks:
    kind = checkpoint.about.get("encoders")
    if kind is None:
        tokens, audio = fixed_size(load_dinov2(), FRAME_SIZE // 2), load_yamnet()
        method = load_method(checkpoint, path=path)
    else:
        encoders = _empty_encoders(kind)
        method = load_method(checkpoint, path=path, encoders=encoders)
        tokens, audio = encoders.tokens, TwoEars(load_yamnet(), encoders.audio)
        method.encoders = None  # part of the other graphs
    return Networks(freeze(Tokens(tokens)), freeze(audio), freeze(method))


def _empty_encoders(kind: str) -> Any:
    """Encoders of the kind that a checkpoint carries the weights of."""
    if kind == "paper":
        from training.encoders.vgg16 import Vgg16Features
        from training.encoders.vggish import Vggish
        from training.methods.sspl.paper_encoders import PaperEncoders

        return PaperEncoders(Vgg16Features(), Vggish())
    from training.loop.end_to_end import load_end_to_end

    encoders = load_end_to_end()
    encoders.tokens.model.set_attn_implementation("eager")  # which can be exported
    return encoders


def _manifest(directory: Path, checkpoint: Checkpoint, path: Path, description: Description) -> Manifest:
    kind = checkpoint.about.get("encoders")
    config = {
        "name": description.name,
        "version": description.version,
        "created": datetime.datetime.now(tz=datetime.UTC).date(),
        "licence": description.licence,
        "training_command": command_of(checkpoint.method, checkpoint.config),
        "training_data": list(description.training_data),
        "encoders": {
            "tokens": "VGG-16 at 224 px" if kind == "paper" else "DINOv2 ViT-S/14 at 224 px",
            "audio": "YAMNet" if kind is None else f"YAMNet for names, {kind} encoder for the embedding",
        },
        "sampling": _SAMPLING,
        "calibration": {
            "heatmap_threshold": 0.5,
            "presence_threshold": 0.5,
            "fitted_on": "the validation part of the training data",
        },
    }
    head = Weights(
        name=f"{checkpoint.method}, a trained localiser",
        licence=description.licence,
        source=path.name,
        sha256=sha256_of(path),
        note="Trained for this bundle" + ("." if kind is None else ", with the encoders it was trained on."),
    )
    published = (YAMNET,) if kind == "paper" else (DINOV2, YAMNET)
    return fill_manifest(directory, config, weights=(*map(provenance, published), head))
