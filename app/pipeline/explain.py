"""Encoded frames to explanations: which event each stretch of a clip shows, when, where and why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import numpy.typing as npt

from app.errors import InvalidRequest
from app.inference.bundle import Bundle
from app.inference.contract import Explained, Versions
from app.inference.manifest import Explainer, Manifest
from app.pipeline.encode import SILENCE
from app.pipeline.perturbation import areas, shown_parts
from app.results.model import (
    Counterfactual,
    Explanation,
    Faithfulness,
    Heard,
    NoExplanation,
)

Floats = npt.NDArray[np.float32]

MOST_RUNNERS_UP = 3
BEST = -1
"""Index that stands for the event with the highest score."""

_SEED = 0  # the same clip gets the same figures


@dataclass(frozen=True, slots=True)
class Step:
    """A sampled frame that may stand for its slot of time, encoded.

    Attributes:
        time_s: its time.
        tokens, class_map: (G, G, Dv) and (H, W, C), of the picture.
        window: (Da,), embedding of the window of sound nearest to it, 0 without sound.
        heat: (G, G), its heatmap.
        presence: in [0, 1].
    """

    time_s: float
    tokens: Floats
    class_map: Floats
    window: Floats
    heat: Floats
    presence: float


def event_index(name: str, manifest: Manifest) -> int:
    """Index of the event of that name, letter case aside. Raises InvalidRequest with names that are near."""
    known = {label.casefold(): index for index, label in enumerate(manifest.events.labels)}
    wanted = name.strip().casefold()
    if wanted in known:
        return known[wanted]
    near = get_close_matches(wanted[:64], known, n=3, cutoff=0)
    names = ", ".join(manifest.events.labels[known[each]] for each in near)
    raise InvalidRequest(f"there is no event {name[:64]!r}; near it: {names}")


def explain(
    bundle: Bundle, steps: list[Step], *, start_s: float, end_s: float, target: int = BEST
) -> Explanation:
    """Explain one stretch of at least two steps.

    Args:
        start_s, end_s: its ends, passed on.
        target: index of the event to explain, or `BEST`.

    Raises:
        BundleError: the bundle does not offer the task.
        InternalError: a graph failed.
    """
    stretch = _Stretch(bundle, steps)
    found = stretch.explain(stretch.whole(), target=target)
    faithfulness, sound_share = _try_out(stretch, found)
    return Explanation(
        start_s=start_s,
        end_s=end_s,
        time_s=np.array([step.time_s for step in steps]),
        event=stretch.heard(found.scores, int(found.chosen)),
        runners_up=stretch.runners_up(found),
        when_audio=found.when_audio,
        when_visual=found.when_visual,
        where=found.where,
        sound_share=sound_share,
        faithfulness=faithfulness,
        counterfactual=_with_another_sound(stretch, found),
        reason=_reason(found, bundle.explainer, presence=max(step.presence for step in steps)),
    )


class _Stretch:
    """The steps of a stretch as arrays (T, ...), and what the graph says of them."""

    def __init__(self, bundle: Bundle, steps: list[Step]) -> None:
        self.bundle = bundle
        self._tokens = np.stack([step.tokens for step in steps])
        self._class_map = np.stack([step.class_map for step in steps])
        self._window = np.stack([step.window for step in steps])
        self._heat = np.stack([step.heat for step in steps])
        labels = bundle.manifest.events.labels
        self._audible = np.array([label != SILENCE for label in labels])

    def explain(self, versions: Versions, *, target: int) -> Explained:
        return self.bundle.explain(
            self._tokens, self._class_map, self._window, self._heat, versions=versions, target=target
        )

    def explain_with(self, events: Floats, window: Floats, *, target: int) -> Explained:
        """The same, whole, with another sound throughout: events (E,) and embedding (Da,)."""
        count = len(self._tokens)
        events, window = (np.repeat(part[None], count, axis=0) for part in (events, window))
        heat, _ = self.bundle.localize(self._tokens, self._class_map, events, window)
        return self.bundle.explain(
            self._tokens, self._class_map, window, heat, versions=self.whole(), target=target
        )

    def whole(self) -> Versions:
        """The one version in which nothing is hidden."""
        return self.versions(_rows([1], self._heat.size), _rows([1], len(self._heat)))

    def versions(self, cells: Floats, steps: Floats) -> Versions:
        """Versions with those cells (B, T * G * G) and steps (B, T) left, means in place of the others."""
        means = np.zeros(len(cells), np.float32)
        return Versions(cells.reshape(-1, *self._heat.shape), steps, means, means)

    def heard(self, scores: Floats, event: int) -> Heard:
        return Heard(self.bundle.manifest.events.labels[event], float(scores[event]))

    def best(self, scores: Floats) -> Heard:
        return self.heard(scores, int(np.where(self._audible, scores, -1).argmax()))

    def runners_up(self, found: Explained) -> tuple[Heard, ...]:
        others = [
            event
            for event in np.argsort(-found.scores, kind="stable").tolist()
            if self._audible[event] and event != found.chosen
        ]
        return tuple(self.heard(found.scores, event) for event in others[:MOST_RUNNERS_UP])


def _try_out(stretch: _Stretch, found: Explained) -> tuple[Faithfulness, float]:
    """What becomes of the event when parts are hidden, all in one run; and the share of the sound."""
    rng = np.random.default_rng(_SEED)
    cells, steps = shown_parts(found.where.ravel(), rng), shown_parts(found.when_audio, rng)
    # Last come the versions without picture, without sound and without both.
    versions = stretch.versions(
        np.concatenate([cells, _rows([1] * len(steps) + [0, 1, 0], found.where.size)]),
        np.concatenate([_rows([1] * len(cells), steps.shape[1]), steps, _rows([1, 0, 0], steps.shape[1])]),
    )
    tried = stretch.explain(versions, target=int(found.chosen))
    probability = 0.5 * (1 + np.tanh(tried.logits / 2))  # the sigmoid, without overflow
    by_cells, by_steps, rest = np.split(probability, [len(cells), len(cells) + len(steps)])
    faithfulness = Faithfulness(areas(by_cells), areas(by_steps), float(rest[0]), float(rest[1]))
    sound, sight = found.by_sound[0] - tried.by_sound[-1], found.by_sight[0] - tried.by_sight[-1]
    return faithfulness, share_of(float(sound), float(sight))


def share_of(one: float, other: float) -> float:
    """Share in [0, 1] of one of two contributions, negative ones being none; a half without any."""
    one, other = max(one, 0.0), max(other, 0.0)
    return one / (one + other) if one + other else 0.5


def _rows(values: list[int], width: int) -> Floats:
    """Rows (B, width), each of one value."""
    return np.repeat(np.array(values, np.float32)[:, None], width, axis=1)


def _with_another_sound(stretch: _Stretch, found: Explained) -> Counterfactual | None:
    """The answer with the reference sound that is least like the clip, if there is one unlike it."""
    explainer = stretch.bundle.explainer
    scores = found.scores[found.reference_events.argmax(axis=1)]  # of the top event of each reference
    other = int(scores.argmin())
    if scores[other] >= explainer.threshold:
        return None
    chosen = int(found.chosen)
    then = stretch.explain_with(found.reference_events[other], found.reference_window[other], target=chosen)
    return Counterfactual(
        sound=explainer.references[other],
        event=stretch.best(then.scores),
        score=float(then.scores[chosen]),
        moved=float(np.abs(then.where - found.where).sum() / 2),
    )


def _reason(found: Explained, explainer: Explainer, *, presence: float) -> NoExplanation | None:
    if presence < explainer.presence:
        return "off_screen"
    if found.scores[found.chosen] < explainer.threshold:
        return "unsure"
    if min(vagueness(found.when_audio), vagueness(found.when_visual)) > explainer.vague:
        return "no_moment"
    return None


def vagueness(weights: Floats) -> float:
    """Entropy of weights (T,) that sum to 1, as a share of that of equal weights; T is at least 2."""
    some = weights[weights > 0].astype(np.float64)
    return float(-(some * np.log(some)).sum() / math.log(len(weights)))
