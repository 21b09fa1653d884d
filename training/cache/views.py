"""Augmented views of frames: crop, mirror image, other light. The truth is warped with the picture."""

from __future__ import annotations

import hashlib

import kornia.augmentation as augmentation
import numpy as np
import numpy.typing as npt
import torch
from kornia.constants import DataKey, Resample
from torch.nn import functional

# Area of a crop as a share of the frame. SSPL crops to 224 of 246 pixels, a share of 0.83, and CMC down to
# 0.08: in between, since a source must mostly remain in the picture.
CROP_SCALE = (0.4, 1.0)
MIRROR_SHARE = 0.5
# Colour names many things, a guitar less than a fire: only a little of it is varied, and the hue not at all.
_LIGHT = {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.0}


class ViewMaker:
    """Random views of square frames; the same seed gives the same views of the same frames."""

    def __init__(self, size: int) -> None:
        """Make views of frames of `size` pixels, at that size."""
        self._size = size
        self._warp = augmentation.AugmentationSequential(
            augmentation.RandomResizedCrop((size, size), scale=CROP_SCALE),
            augmentation.RandomHorizontalFlip(p=MIRROR_SHARE),
            augmentation.ColorJitter(**_LIGHT),
            data_keys=[DataKey.IMAGE, DataKey.MASK],
            # The truth is a share between 0 and 1, not a class number.
            extra_args={DataKey.MASK: {"resample": Resample.BILINEAR, "align_corners": True}},
        )

    def view(
        self, frames: npt.NDArray[np.uint8], truth: npt.NDArray[np.float32], *, seed: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Another view of each frame, each with a crop of its own.

        Args:
            frames: (T, S, S, 3) uint8.
            truth: (T, H, W) float32 in [0, 1], of the whole frames.
            seed: any integer.

        Returns:
            Frames (T, S, S, 3) uint8 and truth (T, S, S) float32 in [0, 1], which fits them.
        """
        pictures = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
        shares = _resized(torch.from_numpy(truth)[:, None], self._size)
        # kornia draws from the global generator, which belongs to others.
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            torch.manual_seed(seed)
            pictures, shares = self._warp(pictures, shares)
        seen = (255 * pictures).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        return seen.contiguous().numpy(), shares[:, 0].clamp(0, 1).numpy()


def view_seed(example_id: str, view: int) -> int:
    """The seed of a view of an example, the same on every machine."""
    digest = hashlib.blake2b(f"{example_id}/{view}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")


def _resized(truth: torch.Tensor, size: int) -> torch.Tensor:
    """(T, 1, H, W) to (T, 1, size, size), with shares kept where it becomes smaller."""
    if size < truth.shape[-1]:
        return functional.interpolate(truth, size=(size, size), mode="area")
    return functional.interpolate(truth, size=(size, size), mode="bilinear")
