"""What the figures of a report are computed from: clips, encoded once, and the sounds of the controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

WEAK = "weak"

Floats = npt.NDArray[np.float32]
# (N, G, G, Dv) tokens, (N, H, W, C) class map and (N, E) events to (N, G, G) heatmaps and (N,) presence.
Localizer = Callable[[Floats, Floats, Floats], tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]]


@dataclass(frozen=True, slots=True)
class ClipFeatures:
    """One frame of a clip with the sound around it, encoded.

    Attributes:
        file: path relative to the data directory.
        tier: as in `clips.csv`; the boxes of a `weak` clip cannot be trusted and are never scored against.
        sounds: free text, what is heard.
        kinds, instruments: coarse classes of that text, see `training.evaluation.kinds`.
        boxes: (B, 4) float64 normalised xyxy; the ground truth is their union.
        time_s: of the frame that was taken, on the displayed timeline.
        frame: (S, S, 3) uint8, the frame as the visual graph saw it.
        tokens: (G, G, Dv) float32.
        class_map: (H, W, C) float32.
        events: (E,) float32, pooled around the frame as the pipeline does.
        waveform: (M,) float32 mono 16 kHz, the whole clip.
        waveform_start_s: time of `waveform[0]`.
    """

    file: str
    tier: str
    sounds: str
    kinds: frozenset[str]
    instruments: frozenset[str]
    boxes: npt.NDArray[np.float64]
    time_s: float
    frame: npt.NDArray[np.uint8]
    tokens: Floats
    class_map: Floats
    events: Floats
    waveform: Floats
    waveform_start_s: float

    @property
    def scored(self) -> bool:
        """Whether the boxes can be trusted."""
        return self.tier != WEAK


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Two scored clips of different kinds squeezed into one picture, each sound to be found on its own side.

    Attributes:
        left, right: indices of the clips.
        tokens, class_map: of the composed picture.
    """

    left: int
    right: int
    tokens: Floats
    class_map: Floats

    def boxes(self, clips: Sequence[ClipFeatures]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Boxes of the left and of the right source in the composed picture."""
        halves = []
        for index, shift in ((self.left, 0.0), (self.right, 0.5)):
            boxes = clips[index].boxes.copy()
            boxes[:, [0, 2]] = boxes[:, [0, 2]] / 2 + shift
            halves.append(boxes)
        return halves[0], halves[1]


@dataclass(frozen=True, slots=True)
class Probes:
    """What the controls feed, beyond the clips themselves.

    Attributes:
        silence: (K, E) events of digital silence, of noise too faint to hear, and of a clip without sound.
        noises: colour of noise to (K, E) events, one row for each seed and level.
        flipped: (tokens, class map) of each clip's frame mirrored left to right, in the order of the clips.
        pairs: pictures of two clips side by side.
    """

    silence: Floats
    noises: Mapping[str, Floats]
    flipped: tuple[tuple[Floats, Floats], ...] = ()
    pairs: tuple[SideBySide, ...] = ()
