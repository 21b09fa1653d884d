"""The predictive coding module of SSPL: visual features try to foretell the sound, and are corrected by it.

Song et al., CVPR 2022, section 3.3 and supplement A; operators and their order as in the authors' code
(`models/pc_net.py`). Representations r1, r2, r3 are maps of rising size (3, 7, 14 in the paper). Feedback
goes down from the picture to a prediction of the sound, feedforward brings the errors back up.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class PredictiveCoding(nn.Module):
    """Features of a picture (N, C, G, G) and of a sound (N, Da) to features (N, C, G, G).

    With the paper's sizes (C 512, Da 128, G 14, 5 steps) it has 9.86 million parameters.
    """

    def __init__(self, channels: int = 512, sound: int = 128, *, grid: int = 14, steps: int = 5) -> None:
        """
        Args:
            channels: C of the visual features.
            sound: length Da of the sound's features.
            grid: cells of a side of the visual features; halved twice on the way down.
            steps: T, how often the sound is foretold; the first is the initialisation.
        """
        super().__init__()
        middle, small = grid // 2, grid // 4  # 14, 7, 3
        self.steps = steps
        self.grids = (small, middle, grid)
        # Feedback: what a layer says of the one below. Shared by all steps, as all convolutions are.
        self.predict3 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.predict2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.predict1 = nn.Conv2d(channels, sound, 1)
        # Feedforward: what an error below means for the layer above.
        self.correct1 = nn.ConvTranspose2d(sound, channels, 1, bias=False)
        self.correct2 = _enlarging(channels, small, middle)
        self.correct3 = nn.ConvTranspose2d(channels, channels, 3, padding=1, bias=False)
        self.out = nn.ConvTranspose2d(channels, channels, 1)
        # Gains, per channel: `up` weighs the errors (a1 to a3), `down` the predictions (b1 to b3).
        self.up = nn.ParameterList(nn.Parameter(torch.ones(channels)) for _ in range(3))
        self.down = nn.ParameterList(nn.Parameter(torch.full((channels,), 0.5)) for _ in range(3))
        # Norms are separate for each step and layer: two on the way down but for the first step's, three up.
        self.norms_down = nn.ModuleList(
            nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(2)) for _ in range(steps)
        )
        self.norms_up = nn.ModuleList(
            nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(3)) for _ in range(steps)
        )

    def forward(self, seen: Tensor, heard: Tensor) -> Tensor:
        """Features (N, C, G, G) and unit vectors of a sound (N, Da) to corrected features (N, C, G, G)."""
        below3, below2 = self.norms_down[0]
        p2 = functional.gelu(below3(_halved(self.predict3(seen))))
        p1 = functional.gelu(below2(_halved(self.predict2(p2))))
        r1, r2, r3 = self._correct(p1, p2, seen, (p1, p2), heard, step=0)
        for step in range(1, self.steps):
            # Downwards: each layer moves to what the one above foretells of it.
            r3 = functional.gelu(self._blend(r3, seen, 2))
            p2 = _halved(self.predict3(r3))
            r2 = functional.gelu(self.norms_down[step][0](self._blend(r2, p2, 1)))
            p1 = _halved(self.predict2(r2))
            r1 = functional.gelu(self.norms_down[step][1](self._blend(r1, p1, 0)))
            r1, r2, r3 = self._correct(r1, r2, r3, (p1, p2), heard, step=step)
        return self.out(r3)

    def foretold(self, r1: Tensor) -> Tensor:
        """p0 (N, Da): the sound that the lowest layer predicts."""
        return functional.gelu(self.predict1(r1)).mean((2, 3))

    def _correct(
        self,
        r1: Tensor,
        r2: Tensor,
        r3: Tensor,
        predictions: tuple[Tensor, Tensor],
        heard: Tensor,
        *,
        step: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Upwards: each layer takes on the error of the prediction below it."""
        p1, p2 = predictions
        norm1, norm2, norm3 = self.norms_up[step]
        e0 = (heard - self.foretold(r1))[:, :, None, None].expand(-1, -1, *r1.shape[2:])
        r1 = functional.gelu(norm1(r1 + self._gain(self.up[0]) * self.correct1(e0)))
        r2 = functional.gelu(norm2(r2 + self._gain(self.up[1]) * self.correct2(r1 - p1)))
        error2 = functional.interpolate(
            r2 - p2, (self.grids[2], self.grids[2]), mode="bilinear", align_corners=True
        )
        r3 = functional.gelu(norm3(r3 + self._gain(self.up[2]) * self.correct3(error2)))
        return r1, r2, r3

    def _blend(self, r: Tensor, prediction: Tensor, layer: int) -> Tensor:
        share = self._gain(self.down[layer])
        return (1 - share) * r + share * prediction

    @staticmethod
    def _gain(weights: Tensor) -> Tensor:
        return functional.relu(weights)[:, None, None]


def _halved(maps: Tensor) -> Tensor:
    return functional.max_pool2d(maps, 2)


def _enlarging(channels: int, small: int, large: int) -> nn.ConvTranspose2d:
    """A transposed 3x3 convolution of stride 2, `small` to `large` cells a side (3 to 7, or 4 to 8)."""
    if large == 2 * small + 1:
        return nn.ConvTranspose2d(channels, channels, 3, stride=2, bias=False)
    return nn.ConvTranspose2d(channels, channels, 3, stride=2, padding=1, output_padding=1, bias=False)
