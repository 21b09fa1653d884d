"""The frames of a clip to the stretches that are explained, one after the other, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import numpy.typing as npt

from app.inference.bundle import Bundle
from app.inference.manifest import Explainer
from app.pipeline.explain import BEST, Step, explain
from app.pipeline.features import Features
from app.results.model import Explanation, FrameResults

Floats = npt.NDArray[np.float32]

_LEAST_STEPS = 2
_ROUNDING = 1e-6  # of a slot: a frame right at its beginning lies in it whatever the rounding


class ClipExplainer:
    """Gathers the steps of one clip and explains a stretch as soon as it is over.

    Stretches of `steps * step_s` follow each other from time 0. In each slot of `step_s` the frame nearest to
    its middle is looked at: of the steps that are added the nearest one, of two equally near the first. No
    more than the steps of one stretch are kept.

    Args:
        target: index of the event to explain, or `BEST`.
        duration_s: of the clip.
        turn: entered while a stretch is explained.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        target: int = BEST,
        duration_s: float,
        turn: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._bundle = bundle
        self._explainer = bundle.explainer
        self._target = target
        self._duration_s = duration_s
        self._turn = turn
        self._stretch = 0
        self._steps: dict[int, Step] = {}  # by their slot, rising

    def add(self, step: Step) -> Iterator[Explanation]:
        """Take the next step, later than those before, and explain what is over with it.

        Raises:
            InternalError: a graph failed.
        """
        slot = _slot(step.time_s, self._explainer)
        stretch = slot // self._explainer.steps
        if stretch > self._stretch:
            yield from self.finish()
            self._stretch = stretch
        known = self._steps.get(slot)
        if known is None or _off_middle(step.time_s, self._explainer) < _off_middle(
            known.time_s, self._explainer
        ):
            self._steps[slot] = step

    def stretch_of(self, time_s: float) -> int:
        """Number of the stretch in which that time lies."""
        return _slot(time_s, self._explainer) // self._explainer.steps

    def finish(self) -> Iterator[Explanation]:
        """Explain the stretch as far as it has come, for the clip is over."""
        steps = list(self._steps.values())
        self._steps = {}
        if len(steps) < _LEAST_STEPS or not any(step.window.any() for step in steps):
            return
        length_s = self._explainer.steps * self._explainer.step_s
        start_s = self._stretch * length_s
        end_s = max(min(start_s + length_s, self._duration_s), steps[-1].time_s)
        with self._turn():
            explanation = explain(self._bundle, steps, start_s=start_s, end_s=end_s, target=self._target)
        yield explanation


def steps_of(
    frames: FrameResults, features: Features, *, window: Floats, explainer: Explainer
) -> tuple[Step, ...]:
    """Those of a few frames (N, ...) that may stand for their slots, in the order of time.

    Args:
        frames, features: what was made of the frames.
        window: (N, Da), embedding of the window of sound nearest to each, 0 without sound.
    """
    nearest: dict[int, int] = {}
    times_s = frames.time_s.tolist()
    for row, time_s in enumerate(times_s):
        known = nearest.setdefault(_slot(time_s, explainer), row)
        if _off_middle(time_s, explainer) < _off_middle(times_s[known], explainer):
            nearest[_slot(time_s, explainer)] = row
    return tuple(
        Step(
            times_s[row],
            # Copies: views would keep the whole batch.
            features.tokens[row].copy(),
            features.class_map[row].copy(),
            window[row].copy(),
            frames.heatmap[row].copy(),
            float(frames.presence[row]),
        )
        for row in nearest.values()
    )


def _slot(time_s: float, explainer: Explainer) -> int:
    return max(0, math.floor(time_s / explainer.step_s + _ROUNDING))


def _off_middle(time_s: float, explainer: Explainer) -> float:
    """How far a time is from the middle of its slot, in seconds."""
    return abs(time_s - (_slot(time_s, explainer) + 0.5) * explainer.step_s)
