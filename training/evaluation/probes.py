"""Sounds and pictures for the controls: silence, noises, and frames made up from those of the cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from app.inference.bundle import Bundle
from app.media.clip import SAMPLE_RATE_HZ
from training.evaluation.gather import encode_frames, hear_middle
from training.evaluation.sounds import Floats, Sounds, join
from training.metrics.controls import COLOURS, noise, silence

SOUND_S = 4.0  # longer than the context of a frame on both sides
SEEDS = range(5)
LEVELS_RMS = (0.01, 0.1, 0.3)  # -40, -20 and -10 dB below full scale
INAUDIBLE_RMS = 1e-4  # -80 dB: the hiss of a muted input

Frames = npt.NDArray[np.uint8]
See = Callable[[Frames], tuple[Floats, Floats]]
"""Frames (N, S, S, 3) to tokens (N, G, G, Dv) and class maps (N, H, W, C)."""


@dataclass(frozen=True, slots=True)
class Probes:
    """What the controls feed, beyond the cases themselves.

    Attributes:
        silence: digital silence, noise too faint to hear, and a clip without sound.
        noises: colour of noise to sounds, one for each seed and level.
        see: encodes mirrored frames and pairs of frames; None leaves these controls out.
    """

    silence: Sounds
    noises: Mapping[str, Sounds]
    see: See | None = None


def load_probes(bundle: Bundle) -> Probes:
    """Encode the sounds of the controls. Noise is independent of the cases; seeds and levels are fixed."""
    quiet = hear_middle(
        bundle,
        [silence(SOUND_S), noise("white", SOUND_S, rms=INAUDIBLE_RMS, seed=0)],
        rate_hz=SAMPLE_RATE_HZ,
    )
    return Probes(
        silence=join([quiet, quiet.nothing()]),
        noises={
            colour: hear_middle(
                bundle,
                [noise(colour, SOUND_S, rms=rms, seed=seed) for rms in LEVELS_RMS for seed in SEEDS],
                rate_hz=SAMPLE_RATE_HZ,
            )
            for colour in COLOURS
        },
        see=encode_frames(bundle),
    )


def mirror(frames: Frames) -> Frames:
    """Frames (N, S, S, 3) left to right."""
    return np.ascontiguousarray(frames[:, :, ::-1])


def side_by_side(left: Frames, right: Frames) -> Frames:
    """Two frames (S, S, 3), each squeezed to half the width, as one frame (S, S, 3)."""
    side = left.shape[0]
    halves = [
        np.asarray(Image.fromarray(frame).resize((width, side), Image.Resampling.BICUBIC))
        for frame, width in ((left, side // 2), (right, side - side // 2))
    ]
    return np.concatenate(halves, axis=1)
