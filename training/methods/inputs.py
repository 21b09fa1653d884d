"""Outputs of the frozen encoders on a common scale, in fewer channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LEAST = 0.05  # a channel that hardly varies must not be blown up to the size of the others
_ENOUGH = 200_000  # tokens, for means that are sure in three digits


class Standardised(nn.Module):
    """Tokens and embeddings with mean 0 and variance 1 in every channel, by what the training data are like.

    YAMNet's embedding is a mean of rectified activations, most of them small and a few large: it goes through
    log(1 + x) first. The tokens of DINOv2 share a large common part, which hides in a cosine what tells
    things apart: it is gone once their mean is taken off. Their principal components are fixed before
    training.
    """

    token_mean: Tensor
    token_scale: Tensor
    basis: Tensor
    sound_mean: Tensor
    sound_scale: Tensor

    def __init__(
        self, token_width: int, sound_width: int, *, channels: int, whiten: float = 0, scaled: bool = True
    ) -> None:
        """
        Args:
            token_width: Dv of the tokens.
            sound_width: Da of the embeddings.
            channels: principal components of the tokens that are kept, at most Dv.
            whiten: each component is divided by its standard deviation to this power: 1 makes them all as
                large, 0 leaves the variance where it was, most of it in what backgrounds differ in.
            scaled: False takes both as they are, and the first `channels` of the tokens; `fit` does nothing.
        """
        super().__init__()
        self.scaled = scaled
        self.whiten = whiten
        kept = min(channels, token_width)
        self.register_buffer("token_mean", torch.zeros(token_width))
        self.register_buffer("token_scale", torch.ones(token_width))
        self.register_buffer("basis", torch.eye(token_width)[:, :kept].contiguous())
        self.register_buffer("sound_mean", torch.zeros(sound_width))
        self.register_buffer("sound_scale", torch.ones(sound_width))

    @property
    def channels(self) -> int:
        """Channels that are seen."""
        return self.basis.shape[1]

    def fit(self, tokens: Tensor, embedding: Tensor) -> None:
        """Take scales and basis from tokens (N, G, G, Dv) and embeddings (N, Da) of training moments."""
        if not self.scaled:
            return
        flat = tokens.reshape(-1, tokens.shape[-1])
        some = flat[:: max(1, len(flat) // _ENOUGH)].float()
        heard = torch.log1p(embedding.float())
        self.token_mean.copy_(some.mean(0))
        self.token_scale.copy_(some.std(0).clamp(min=_LEAST))
        self.sound_mean.copy_(heard.mean(0))
        self.sound_scale.copy_(heard.std(0).clamp(min=_LEAST))
        if self.channels < len(self.basis) or self.whiten:
            basis, deviations = principal_basis((some - self.token_mean) / self.token_scale, self.channels)
            self.basis.copy_(basis / deviations.clamp(min=_LEAST) ** self.whiten)

    def seen(self, tokens: Tensor) -> Tensor:
        """Tokens (..., Dv), scaled and projected to (..., channels)."""
        return ((tokens.float() - self.token_mean) / self.token_scale) @ self.basis

    def heard(self, embedding: Tensor) -> Tensor:
        """Embeddings (..., Da), scaled."""
        if not self.scaled:
            return embedding.float()
        return (torch.log1p(embedding.float()) - self.sound_mean) / self.sound_scale


def principal_basis(tokens: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Directions of largest variance of tokens (N, Dv), whose mean is 0, the largest first.

    Returns:
        The directions (Dv, channels), of length 1, and the standard deviations along them (channels,).
    """
    values, vectors = torch.linalg.eigh((tokens.T @ tokens / len(tokens)).double())
    deviations = values[-channels:].flip(0).clamp(min=0).sqrt()
    return vectors[:, -channels:].flip(1).float(), deviations.float()
