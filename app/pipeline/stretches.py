"""The frames of a clip to the stretches that are explained, one after the other, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from app.inference.bundle import Bundle
from app.pipeline.explain import BEST, Step, explain
from app.pipeline.features import Features
from app.results.model import Explanation, FrameResults

Floats = npt.NDArray[np.float32]

_LEAST_STEPS = 2
_ROUNDING = 1e-6  # of a slot: a frame right at its beginning lies in it whatever the rounding


class ClipExplainer:
    """Gathers the frames of one clip and explains a stretch as soon as it is over.

    Stretches of `steps * step_s` follow each other from time 0. In each slot of `step_s` the frame nearest to
    its middle is looked at. No more than the steps of one stretch are kept.

    Args:
        target: index of the event to explain, or `BEST`.
        duration_s: of the clip.
    """

    def __init__(self, bundle: Bundle, *, target: int = BEST, duration_s: float) -> None:
        self._bundle = bundle
        self._explainer = bundle.explainer
        self._target = target
        self._duration_s = duration_s
        self._stretch = 0
        self._steps: dict[int, Step] = {}  # by their slot, rising

    def add(self, frames: FrameResults, features: Features, *, window: Floats) -> Iterator[Explanation]:
        """Take the next frames (N, ...), later than those before, and explain what is over with them.

        Args:
            frames, features: what was made of the frames.
            window: (N, Da), embedding of the window of sound nearest to each, 0 without sound.

        Raises:
            InternalError: a graph failed.
        """
        for row, time_s in enumerate(frames.time_s.tolist()):
            slot = max(0, math.floor(time_s / self._explainer.step_s + _ROUNDING))
            stretch = slot // self._explainer.steps
            if stretch > self._stretch:
                yield from self.finish()
                self._stretch = stretch
            if self._is_nearer(slot, time_s):
                self._steps[slot] = Step(
                    time_s,
                    # Copies: views would keep the whole batch.
                    features.tokens[row].copy(),
                    features.class_map[row].copy(),
                    window[row].copy(),
                    frames.heatmap[row].copy(),
                    float(frames.presence[row]),
                )

    def finish(self) -> Iterator[Explanation]:
        """Explain the stretch as far as it has come, for the clip is over."""
        steps = list(self._steps.values())
        self._steps = {}
        if len(steps) < _LEAST_STEPS or not any(step.window.any() for step in steps):
            return
        length_s = self._explainer.steps * self._explainer.step_s
        start_s = self._stretch * length_s
        end_s = max(min(start_s + length_s, self._duration_s), steps[-1].time_s)
        yield explain(self._bundle, steps, start_s=start_s, end_s=end_s, target=self._target)

    def _is_nearer(self, slot: int, time_s: float) -> bool:
        """Whether a frame is nearer to the middle of its slot than the one that stands for it so far."""
        middle_s = (slot + 0.5) * self._explainer.step_s
        known = self._steps.get(slot)
        return known is None or abs(time_s - middle_s) < abs(known.time_s - middle_s)
