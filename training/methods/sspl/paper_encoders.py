"""The encoders of SSPL as published: VGG-16 and VGGish, frozen, from weight files that the user has."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from training.encoders.frozen import freeze
from training.encoders.vgg16 import Vgg16Features
from training.encoders.vggish import Vggish
from training.loop.end_to_end import EndToEndEncoders


class PaperEncoders(EndToEndEncoders):
    """Moments to what SSPL (Song et al., CVPR 2022) learns from; nothing in it is trained.

    Frames of 448 pixels become tokens (N, 14, 14, 512); windows of 15,600 samples at 16 kHz become their mean
    embedding (N, 128), >= 0, and events (N, 1), 1 where anything is heard. The paper shrinks frames with
    bicubic weights and stretches every 3 s of sound to [-1, 1]; here frames are averaged over 2 x 2 pixels,
    and sound stays as loud as it is.
    """

    kind: ClassVar[str] = "paper"

    def __init__(self, vgg16: Vgg16Features, vggish: Vggish) -> None:
        super().__init__(vgg16, vggish, silence=None, shrink=2)
        freeze(self)

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002  # PyTorch's signature
        """Stay in evaluation mode, whatever the method around it does."""
        return super().train(False)


def load_paper_encoders(vgg16: Path, vggish: Path) -> PaperEncoders:
    """The encoders with the weights of two files, `.safetensors` or else as torch.save writes them.

    Args:
        vgg16: a state dictionary of torchvision's VGG-16 (ImageNet); its `classifier.*` is ignored.
        vggish: a state dictionary of torchvggish's VGGish (AudioSet); its `pproc.*` is ignored.

    Raises:
        ValueError: a file is missing, cannot be read, or holds other weights.
    """
    visual = Vgg16Features()
    _load_weights(visual, vgg16, layout="torchvision's VGG-16", ignored="classifier.")
    audio = Vggish()
    _load_weights(audio, vggish, layout="torchvggish's VGGish", ignored="pproc.")
    return PaperEncoders(visual, audio)


def _load_weights(network: nn.Module, path: Path, *, layout: str, ignored: str) -> None:
    given = {name: value for name, value in _read(path).items() if not name.startswith(ignored)}
    wanted = dict(network.named_parameters())
    for name in (*wanted, *given):
        expected, found = (list(part[name].shape) if name in part else "absent" for part in (wanted, given))
        if found != expected:
            raise ValueError(
                f"{path} does not hold the weights of {layout}: {name} is {found}, expected {expected}"
            )
    network.load_state_dict(given, strict=False)  # buffers, which are not published, stay as they are


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    # What damage raises depends on where it makes the reader stumble: even struct.error and AssertionError.
    except Exception as error:
        first = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(f"cannot read the weights {path}: {first}") from error
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise ValueError(f"{path} is no state dictionary, which is a dict of names and tensors")
    return content
