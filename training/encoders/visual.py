"""What the visual graph of a bundle computes: tokens and class map of a frame, preprocessing included."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from training.encoders.dinov2 import Dinov2, fixed_size, load_dinov2
from training.encoders.efficientnet_lite import EfficientNetLite, load_efficientnet_lite
from training.encoders.frozen import freeze

FRAME_SIZE = 448  # pixels: the class map needs them; the tokens see the frame at half that size


class VisualEncoder(nn.Module):
    """Frames to DINOv2 tokens and an EfficientNet-Lite class map."""

    def __init__(self, tokens: Dinov2, classes: EfficientNetLite) -> None:
        super().__init__()
        self.tokens = tokens
        self.classes = classes

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """RGB frames (N, 448, 448, 3) uint8 to tokens (N, 16, 16, 384) and class map (N, 14, 14, 1000)."""
        pictures = frames.permute(0, 3, 1, 2).float()
        return self.tokens(functional.avg_pool2d(pictures, 2)), self.classes(pictures)


def load_visual() -> VisualEncoder:
    """The encoder with the published weights, frozen. Raises WeightsMissing."""
    tokens = fixed_size(load_dinov2(), FRAME_SIZE // 2)
    return freeze(VisualEncoder(tokens, load_efficientnet_lite("lite2")))
