"""Encoders that are trained along with a method: what the graphs of a bundle compute, with gradients."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from torch import Tensor, nn
from torch.nn import functional


class Perceived(NamedTuple):
    """Encoded moments: `tokens` (N, G, G, Dv), `embedding` (N, Da) and `events` (N, E) in [0, 1]."""

    tokens: Tensor
    embedding: Tensor
    events: Tensor


class EndToEndEncoders(nn.Module):
    """Frames and windows of sound to tokens, embedding and events, pooled as the service does it.

    Attributes:
        kind: as which a checkpoint that carries such encoders names them.
    """

    kind: ClassVar[str] = "end-to-end"

    def __init__(self, tokens: nn.Module, audio: nn.Module, *, silence: int | None, shrink: int = 2) -> None:
        """Put two encoders together, with all their weights free to change.

        Args:
            tokens: RGB pictures (N, 3, H, W) in [0, 255] to tokens (N, G, G, Dv).
            audio: windows (W, n) to scores (W, E) in [0, 1] and embeddings (W, Da).
            silence: index of the event "Silence" that the others are weighed by; None weighs nothing.
            shrink: frames are averaged over squares of so many pixels before `tokens` sees them.
        """
        super().__init__()
        self.tokens = tokens
        self.audio = audio
        self.silence = silence
        self.shrink = shrink
        self.train()
        self.requires_grad_(True)

    def forward(self, frames: Tensor, windows: Tensor, heard: Tensor) -> Perceived:
        """Encode moments, as `training.cache.raw_moments.RawMoments` gives them.

        Args:
            frames: (N, S, S, 3) uint8.
            windows: (N, K, n) in [-1, 1].
            heard: (N, K) bool, which windows there are.

        Returns:
            The tokens of the frames; of the windows of each moment the mean embedding and the largest score
            of each event, weighed by 1 - score of "Silence". Zero where there is no window.
        """
        pictures = functional.avg_pool2d(frames.permute(0, 3, 1, 2).float(), self.shrink)
        scores, codes = self.audio(windows[heard])
        if self.silence is not None:
            scores = scores * (1 - scores[:, self.silence, None])
        spread_scores = scores.new_zeros((*heard.shape, scores.shape[-1]))
        spread_codes = codes.new_zeros((*heard.shape, codes.shape[-1]))
        spread_scores[heard], spread_codes[heard] = scores, codes
        counts = heard.sum(1, keepdim=True).clamp(min=1)
        return Perceived(self.tokens(pictures), spread_codes.sum(1) / counts, spread_scores.amax(1))


def load_end_to_end() -> EndToEndEncoders:
    """The encoders of the default bundle with their published weights: DINOv2 ViT-S/14 and YAMNet.

    They take frames of 448 pixels to tokens (N, 16, 16, 384), and windows of 15,600 samples to an embedding
    (N, 1024) and events (N, 521). Raises WeightsMissing.
    """
    from app.pipeline.encode import SILENCE
    from training.encoders.dinov2 import fixed_size, load_dinov2
    from training.encoders.visual import FRAME_SIZE
    from training.encoders.yamnet import event_names, load_yamnet

    # At a fixed size, since interpolating positions in every step has no deterministic gradient on a GPU.
    tokens = fixed_size(load_dinov2(), FRAME_SIZE // 2)
    tokens.model.set_attn_implementation("sdpa")  # written out it is for export; this one is quicker
    return EndToEndEncoders(tokens, load_yamnet(), silence=event_names().index(SILENCE))
