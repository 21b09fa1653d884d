"""What the encoders make of a chunk: the only input of the heads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Features:
    """Encoded frames, each with the sound around it.

    Attributes:
        tokens: (N, G, G, Dv) float32, visual tokens; row 0 is the top of the displayed frame.
        class_map: (N, H, W, C) float32, softmax over visual classes at every location.
        events: (N, E) float32 in [0, 1]: the largest score of each audio event over the windows within
            `context_s / 2` of the frame, each weighed by 1 - score of "Silence" in that window.
        audio: (N, Da) float32, mean embedding of those windows. Zero without sound.
    """

    tokens: npt.NDArray[np.float32]
    class_map: npt.NDArray[np.float32]
    events: npt.NDArray[np.float32]
    audio: npt.NDArray[np.float32]
