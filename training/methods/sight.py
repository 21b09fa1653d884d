"""What a head sees of each cell: its token and, where the encoder has one, its class map."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.methods.inputs import Standardised
from training.methods.localiser import Widths

_WHITEN = 0.5


class Sight(nn.Module):
    """Tokens and class maps on a common scale, in fewer channels; `heard` does the same for sounds.

    Tokens tell where a thing ends, class maps what it is: thousands of frames teach too few looks for names.
    """

    def __init__(self, widths: Widths, n_classes: int, *, channels: int, looks: int) -> None:
        """
        Args:
            widths: of what the encoders give.
            n_classes: C of the class map; 1 is none.
            channels: principal components of the tokens that are kept.
            looks: the same of class maps; 0 leaves them out.
        """
        super().__init__()
        self.grid = widths.grid
        self.tokens = Standardised(widths.token, widths.sound, channels=channels, whiten=_WHITEN)
        self.looks = (
            Standardised(n_classes, 1, channels=looks, whiten=_WHITEN) if looks and n_classes > 1 else None
        )

    @property
    def channels(self) -> int:
        """Channels that are seen."""
        return self.tokens.channels + (0 if self.looks is None else self.looks.channels)

    def fit(self, tokens: Tensor, class_map: Tensor, embedding: Tensor) -> None:
        """Take scales and basis from tokens (N, G, G, Dv), class maps (N, H, W, C) and embeddings (N, Da)."""
        self.tokens.fit(tokens, embedding)
        if self.looks is not None:
            self.looks.fit(class_map.float().sqrt(), embedding[:, :1])

    def seen(self, tokens: Tensor, class_map: Tensor) -> Tensor:
        """Tokens (..., G, G, Dv) and class maps (..., H, W, C) to (..., G, G, channels)."""
        scaled = self.tokens.seen(tokens)
        if self.looks is None:
            return scaled
        looks = self.looks.seen(class_map.float().sqrt())
        flat = looks.flatten(0, -4).movedim(-1, 1)  # (N, c, H, W)
        even = functional.interpolate(flat, (self.grid, self.grid), mode="bilinear")
        return torch.cat([scaled, even.movedim(1, -1).reshape(*scaled.shape[:-1], -1)], -1)

    def heard(self, embedding: Tensor) -> Tensor:
        """Embeddings (..., Da), scaled."""
        return self.tokens.heard(embedding)
