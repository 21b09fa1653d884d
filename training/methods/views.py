"""Two augmented views of frames, for training that encodes its frames itself."""

from __future__ import annotations

import kornia.augmentation as augmentation
import torch
from torch import Tensor, nn

from training.cache.views import CROP_SCALE, MIRROR_SHARE

_VIEWS = 2


class FrameViews(nn.Module):
    """Frames (N, S, S, 3) uint8 to views (N, 2, S, S, 3) uint8: crops and mirror images, drawn anew."""

    @torch.no_grad()
    def forward(self, frames: Tensor) -> Tensor:
        pictures = frames.permute(0, 3, 1, 2).float()
        side = pictures.shape[-1]
        warp = augmentation.AugmentationSequential(
            augmentation.RandomResizedCrop((side, side), scale=CROP_SCALE),
            augmentation.RandomHorizontalFlip(p=MIRROR_SHARE),
        )
        views = torch.stack([warp(pictures) for _ in range(_VIEWS)], 1)
        return views.round().clamp(0, 255).to(torch.uint8).permute(0, 1, 3, 4, 2)
